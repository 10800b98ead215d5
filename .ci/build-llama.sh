#!/usr/bin/env bash
# Builds the pinned llama-cpp-python wheel into .wheels/: only the library that the bindings load. On x86-64 it holds
# kernels for AVX2 (machines since 2013) and for AVX512 with VNNI (a third faster), and picks those that run when it is
# loaded: a wheel or image built on one machine must not crash on another. AMX stays out: llama.cpp has no AMX kernel
# for Q5_0, which is most of a small K-quantised model. Our own kernels in llama/ double the speed of prompts there.
#   .ci/build-llama.sh PYTHON VERSION
set -euo pipefail
python=$1 version=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
wheels="$root/.wheels"
mkdir -p "$wheels"
newest=$(ls -t "$here/build-llama.sh" "$here"/llama/* | head -1)
if [ -n "$(find "$wheels" -name "llama_cpp_python-$version-*.whl" -newer "$newest")" ]; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
  -d "$work" "llama-cpp-python==$version"
tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work"
source_dir="$work/llama_cpp_python-$version"
llama="$source_dir/vendor/llama.cpp"
cpu="$llama/ggml/src/ggml-cpu"
# The bindings load libllama and libggml only; the helper library is half of the build time.
sed -i.bak 's/set(LLAMA_BUILD_COMMON ON CACHE/set(LLAMA_BUILD_COMMON OFF CACHE/' "$source_dir/CMakeLists.txt"
for kept in haswell icelake; do
  sed -i.bak "s/llama_cpp_python_install_target(ggml-cpu)/& \nllama_cpp_python_install_target(ggml-cpu-$kept)/" \
    "$source_dir/CMakeLists.txt"
done
others="x64|sse42|sandybridge|ivybridge|piledriver|skylakex|cannonlake|cascadelake|cooperlake|zen4|alderlake|sapphirerapids"
sed -i.bak -E "/ggml_add_cpu_backend_variant\(($others)[ )]/d" "$llama/ggml/src/CMakeLists.txt"
# The time of an answer is spent in ggml; the rest compiles in two thirds of the time without -O3.
echo 'target_compile_options(llama PRIVATE -O1)' >>"$llama/src/CMakeLists.txt"

cp "$here/llama/strips.h" "$here/llama/geglu.h" "$cpu/"
sed -i.bak 's|^#include <type_traits>$|&\n#include "../strips.h"|' "$cpu/llamafile/sgemm.cpp"
for kind in q5_0 q8_0; do
  call="strips::matmul(m, n, k, (const block_$kind *)A, lda, (const block_q8_0 *)B, ldb, (float *)C, ldc, params->ith, params->nth)"
  sed -i.bak "s|^ *tinyBLAS_Q0_AVX<block_$kind, block_q8_0, float> tb{\$|#ifdef STRIPS_$kind\n        if ($call)\n            return true;\n#endif\n&|" \
    "$cpu/llamafile/sgemm.cpp"
done
sed -i.bak -e '/^inline static void ggml_vec_geglu_f32/,/^}/ s|for (int i = 0; i < n; ++i)|for (int i = ggml_vec_geglu_lanes(n, y, x, g); i < n; ++i)|' \
  -e 's|^inline static void ggml_vec_reglu_f32|#include "geglu.h"\n&|' "$cpu/vec.h"
sed -i.bak 's|^ *features.push_back({ "LLAMAFILE", "1" });|&\n#ifdef __AVX2__\n        features.push_back({ "STRIPS", "1" });\n#endif|' "$cpu/ggml-cpu.cpp"
grep -q '#include "geglu.h"' "$cpu/vec.h"
grep -q '"STRIPS"' "$cpu/ggml-cpu.cpp"
test "$(grep -c 'strips::matmul' "$cpu/llamafile/sgemm.cpp")" = 2

flags="-DLLAVA_BUILD=OFF"
if [ -z "${LLAMA_CMAKE_ARGS:-}" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) flags="$flags -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON" ;;
    *) flags="$flags -DGGML_NATIVE=OFF" ;;
  esac
fi
command -v ccache >/dev/null 2>&1 && flags="$flags -DGGML_CCACHE=ON"
export CMAKE_ARGS="$flags ${LLAMA_CMAKE_ARGS:-}"
export CCACHE_NOHASHDIR=1 CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN)}"
echo "building llama-cpp-python $version ($CMAKE_ARGS): two to ten minutes, once"
"$python" -m pip wheel --quiet --no-deps --no-cache-dir -w "$wheels" "$source_dir"
