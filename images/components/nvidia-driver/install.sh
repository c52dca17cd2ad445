#!/usr/bin/env bash
# NVIDIA's driver of one branch, with open kernel modules built by DKMS, from NVIDIA's signed repository.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

if [[ $IMAGE_TARGET == docker || $IMAGE_TARGET == rootfs ]]; then
  echo "nvidia-driver: $IMAGE_TARGET uses the driver of the machine that it runs on; nothing to install"
  exit 0
fi
add_cuda_repository
printf 'blacklist nouveau\noptions nouveau modeset=0\n' >/etc/modprobe.d/dlcluster-nouveau.conf
if command -v apt-get >/dev/null; then
  install_packages "nvidia-driver-pinning-$PARAM_BRANCH"
  install_packages build-essential dkms "linux-headers-$(uname -r)" nvidia-open "nvidia-fabricmanager-$PARAM_BRANCH"
else
  dnf install -y dkms gcc make "kernel-devel-$(uname -r)" "kernel-headers-$(uname -r)" kernel-modules-extra
  dnf module reset -y nvidia-driver
  dnf module enable -y "nvidia-driver:$PARAM_BRANCH-open"
  dnf install -y nvidia-open nvidia-fabricmanager
fi
# Without NVSwitch the Fabric Manager ends by itself; the persistence daemon keeps the driver loaded. Not every
# distribution's packages have both.
for unit in nvidia-persistenced nvidia-fabricmanager; do
  if systemctl cat "$unit" >/dev/null 2>&1; then systemctl enable "$unit"; fi
done
