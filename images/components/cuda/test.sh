#!/usr/bin/env bash
# nvcc compiles a kernel; on a machine with a GPU the kernel adds two vectors.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

/usr/local/cuda/bin/nvcc --version | grep "release $PARAM_RELEASE"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/local/cuda/bin/nvcc -o "$folder/add" add.cu
ldconfig -p | grep libcudnn.so.9
if has_gpu; then "$folder/add"; else echo "cuda: no GPU here: the program was compiled, not run"; fi
