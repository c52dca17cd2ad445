#!/usr/bin/env bash
# dcgmi runs; on a machine with a GPU its quick diagnosis finds no fault.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

dcgmi --version | grep -i version
if [[ $IMAGE_TARGET != docker && $IMAGE_TARGET != rootfs ]] && has_gpu; then
  systemctl start nvidia-dcgm
  dcgmi discovery -l
  dcgmi diag -r 1
else
  echo "dcgm: no GPU here: no diagnosis was run"
fi
