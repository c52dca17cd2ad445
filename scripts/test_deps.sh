#!/usr/bin/env bash
# Debian packages that some tests use. Where root or apt-get is missing, those tests are skipped and say why.
# usage: test_deps.sh [slow]     slow: also what only `make test-slow` uses
set -euo pipefail
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need ssh openssh-client
need git git
need gpg gnupg
[ -d /usr/share/datasets/fashion-mnist ] || missing+=(dataset-fashion-mnist)
if [ "${1:-}" = slow ]; then
    need debootstrap debootstrap
    need packer packer
    need cloud-init cloud-init
    need buildah buildah
    need mpirun openmpi-bin # CNTK
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${missing[*]} (that needs root and apt-get); the tests that use them will be skipped" >&2
    exit 0
fi
apt-get update -qq
for package in "${missing[@]}"; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" ||
        echo "$package cannot be had here; the tests that use it will be skipped" >&2
done
