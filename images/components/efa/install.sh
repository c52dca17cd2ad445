#!/usr/bin/env bash
# AWS's EFA installer: kernel driver, libfabric and Open MPI 5 in /opt/amazon, and the NCCL plugin aws-ofi-nccl.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

VERSION=1.50.0
# The key's fingerprint, from AWS's documentation ("Get started with EFA and NCCL"). The archive and the packages in it
# are signed.
FINGERPRINT=4E9091BCBB97A96B26B15E59A05480B1DD2D3CCC

if grep -qs "EFA installer version: $VERSION" /opt/amazon/efa_installed_packages; then exit 0; fi
install_packages ca-certificates curl gnupg pciutils tar -- ca-certificates pciutils tar
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
archive=aws-efa-installer-$VERSION.tar.gz
site=https://efa-installer.amazonaws.com
download_key "$site/aws-efa-installer.key" "$FINGERPRINT" aws-efa-installer.key
download_signed "$site/$archive" "$site/$archive.sig" aws-efa-installer.key "$archive"
tar -xf "$archive"
options=(-y --mpi=openmpi5 --check-signatures)
if [[ $IMAGE_TARGET == docker || $IMAGE_TARGET == rootfs ]]; then
  options+=(--skip-kmod --skip-limit-conf --no-verify)
fi
cd aws-efa-installer
EFA_INSTALLER_KEY=$folder/aws-efa-installer.key ./efa_installer.sh "${options[@]}"
