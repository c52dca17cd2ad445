#!/usr/bin/env bash
# Micromamba: conda environments without an installation of conda.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

VERSION=2.9.0-0
# sha256 of the release's files, as several public projects pin them.
SHA256_X86_64=366cd9cd8be14df1ab8ed50352a82111082a36686b2d389fdb79a92c3fafb3e3
SHA256_ARM64=9f93b974adcb4d166996af969b6cd371287d1a3e52733704727884d9b74cb7a7

install_packages ca-certificates curl -- ca-certificates
case $IMAGE_ARCHITECTURE in
  x86_64) file=micromamba-linux-64 sha256=$SHA256_X86_64 ;;
  arm64) file=micromamba-linux-aarch64 sha256=$SHA256_ARM64 ;;
esac
mkdir -p "$PARAM_PREFIX/bin"
download "https://github.com/mamba-org/micromamba-releases/releases/download/$VERSION/$file" "$sha256" \
  "$PARAM_PREFIX/bin/micromamba"
chmod 0755 "$PARAM_PREFIX/bin/micromamba"
cat >/etc/profile.d/dlcluster-micromamba.sh <<EOS
export PATH="\$PATH:$PARAM_PREFIX/bin" MAMBA_ROOT_PREFIX="\${MAMBA_ROOT_PREFIX:-\$HOME/micromamba}"
EOS
