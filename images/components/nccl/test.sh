#!/usr/bin/env bash
# A program links NCCL and sees the version that was installed; on a machine with a GPU it sums over all GPUs of it.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
/usr/local/cuda/bin/nvcc -o "$folder/sum" sum.cu -lnccl
if has_gpu; then "$folder/sum"; else "$folder/sum" version; fi
if [[ -d /opt/amazon/ofi-nccl ]]; then ldconfig -p | grep libnccl-net; fi
