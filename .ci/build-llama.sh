#!/usr/bin/env bash
# Builds the pinned llama-cpp-python wheel into .wheels/: only the library that the bindings load, with flags
# that run on every x86-64 machine since 2013 (a wheel cached on one machine must not crash on another).
#   .ci/build-llama.sh PYTHON VERSION
set -euo pipefail
python=$1 version=$2
root=$(cd "$(dirname "$0")/.." && pwd)
wheels="$root/.wheels"
mkdir -p "$wheels"
if ls "$wheels"/llama_cpp_python-"$version"-*.whl >/dev/null 2>&1; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python \
  -d "$work" "llama-cpp-python==$version"
tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work"
source_dir="$work/llama_cpp_python-$version"
# The bindings load libllama and libggml only; the helper library is half of the build time.
sed -i.bak 's/set(LLAMA_BUILD_COMMON ON CACHE/set(LLAMA_BUILD_COMMON OFF CACHE/' "$source_dir/CMakeLists.txt"

flags="-DLLAVA_BUILD=OFF"
if [ -z "${LLAMA_CMAKE_ARGS:-}" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) flags="$flags -DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON" ;;
    *) flags="$flags -DGGML_NATIVE=OFF" ;;
  esac
fi
command -v ccache >/dev/null 2>&1 && flags="$flags -DGGML_CCACHE=ON"
export CMAKE_ARGS="$flags ${LLAMA_CMAKE_ARGS:-}"
export CCACHE_NOHASHDIR=1 CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN)}"
echo "building llama-cpp-python $version ($CMAKE_ARGS): two to ten minutes, once"
"$python" -m pip wheel --quiet --no-deps --no-cache-dir -w "$wheels" "$source_dir"
