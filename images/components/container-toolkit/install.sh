#!/usr/bin/env bash
# Docker of the distribution, and NVIDIA's container toolkit from its signed repository.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

VERSION=1.20.0-1

add_toolkit_repository
install_packages docker.io "nvidia-container-toolkit=$VERSION" "nvidia-container-toolkit-base=$VERSION" \
  "libnvidia-container-tools=$VERSION" "libnvidia-container1=$VERSION" -- docker "nvidia-container-toolkit-$VERSION"
nvidia-ctk runtime configure --runtime=docker
if [[ $IMAGE_TARGET != docker && $IMAGE_TARGET != rootfs ]]; then systemctl enable docker; fi
