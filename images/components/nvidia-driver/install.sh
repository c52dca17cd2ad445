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
mkdir -p /etc/modprobe.d
printf 'blacklist nouveau\noptions nouveau modeset=0\n' >/etc/modprobe.d/dlcluster-nouveau.conf
kernel=$(uname -r)
if command -v apt-get >/dev/null; then
  install_packages "nvidia-driver-pinning-$PARAM_BRANCH"
  install_packages build-essential dkms "linux-headers-$kernel" nvidia-open
else
  # Kernels after 6.1 have their release in the name of this package.
  extra="kernel-modules-extra"
  if [[ $kernel != 6.1.* ]]; then extra=kernel$(cut -d . -f 1-2 <<<"$kernel")-modules-extra; fi
  dnf install -y dkms gcc make "kernel-devel-$kernel" "kernel-headers-$kernel" "$extra-$kernel"
  dnf module reset -y nvidia-driver
  dnf module enable -y "nvidia-driver:$PARAM_BRANCH-open"
  dnf install -y nvidia-open
fi
# The Fabric Manager has to be of the driver's very version. (Ubuntu has packages of another name, for drivers of its own.)
version=$(modinfo -F version nvidia)
install_packages "nvidia-fabricmanager=$version-*" -- "nvidia-fabricmanager-$version"
# Without NVSwitch the Fabric Manager ends by itself; the persistence daemon keeps the driver loaded. Not every
# distribution's packages have both.
for unit in nvidia-persistenced nvidia-fabricmanager; do
  if systemctl cat "$unit" >/dev/null 2>&1; then systemctl enable "$unit"; fi
done
