#!/usr/bin/env bash
# Builds the pinned llama-cpp-python wheel into .wheels/: only the library that the bindings load. On x86-64 it holds
# kernels for AVX2 (machines since 2013) and for AVX512 with VNNI (a third faster), and picks those that run when it is
# loaded: a wheel or image built on one machine must not crash on another. AMX stays out: it
# was no faster.
#   .ci/build-llama.sh PYTHON VERSION
set -euo pipefail
python=$1 version=$2
root=$(cd "$(dirname "$0")/.." && pwd)
wheels="$root/.wheels"
mkdir -p "$wheels"
if [ -n "$(find "$wheels" -name "llama_cpp_python-$version-*.whl" -newer "$0")" ]; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
  -d "$work" "llama-cpp-python==$version"
tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work"
source_dir="$work/llama_cpp_python-$version"
# The bindings load libllama and libggml only; the helper library is half of the build time.
sed -i.bak 's/set(LLAMA_BUILD_COMMON ON CACHE/set(LLAMA_BUILD_COMMON OFF CACHE/' "$source_dir/CMakeLists.txt"
for kept in haswell icelake; do
  sed -i.bak "s/llama_cpp_python_install_target(ggml-cpu)/& \nllama_cpp_python_install_target(ggml-cpu-$kept)/" \
    "$source_dir/CMakeLists.txt"
done
others="x64|sse42|sandybridge|ivybridge|piledriver|skylakex|cannonlake|cascadelake|cooperlake|zen4|alderlake|sapphirerapids"
sed -i.bak -E "/ggml_add_cpu_backend_variant\(($others)[ )]/d" "$source_dir/vendor/llama.cpp/ggml/src/CMakeLists.txt"

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
