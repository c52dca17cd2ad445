#!/usr/bin/env bash
# The kernel module is built for this kernel; on a machine with a GPU it loads and nvidia-smi lists the GPU.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

if [[ $IMAGE_TARGET == docker || $IMAGE_TARGET == rootfs ]]; then
  echo "nvidia-driver: not part of a $IMAGE_TARGET image"
  exit 0
fi
modinfo -F version nvidia | grep "^$PARAM_BRANCH\."
if has_gpu; then
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | grep ", $PARAM_BRANCH\."
else
  echo "nvidia-driver: no GPU here: the module was not loaded"
fi
