#!/usr/bin/env bash
# DCGM 4 for CUDA 13 from NVIDIA's signed repository.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

VERSION=4.5.2-1

add_cuda_repository
# The packages for apt have an epoch, 1.
install_packages "datacenter-gpu-manager-4-core=1:$VERSION" "datacenter-gpu-manager-4-cuda13=1:$VERSION" -- \
  "datacenter-gpu-manager-4-core-$VERSION" "datacenter-gpu-manager-4-cuda13-$VERSION"
if [[ $IMAGE_TARGET != docker && $IMAGE_TARGET != rootfs ]]; then systemctl enable nvidia-dcgm; fi
