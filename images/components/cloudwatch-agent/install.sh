#!/usr/bin/env bash
# Amazon's CloudWatch agent: from Amazon Linux's own signed repository, else the package with its detached signature.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

VERSION=1.300072.0b1766
# From AWS's documentation ("Verify the signature of the CloudWatch agent package").
FINGERPRINT=937616F3450B7D806CBD9725D58167303B789C72

if ! command -v apt-get >/dev/null; then
  dnf install -y amazon-cloudwatch-agent
  exit 0
fi
installed=$(dpkg-query --show --showformat '${Version}' amazon-cloudwatch-agent 2>/dev/null || true)
if [[ $installed == "$VERSION"* ]]; then exit 0; fi
install_packages ca-certificates curl gnupg
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
site=https://amazoncloudwatch-agent.s3.amazonaws.com
url=$site/${IMAGE_PLATFORM%%-*}/$(dpkg --print-architecture)/$VERSION/amazon-cloudwatch-agent.deb
download_key "$site/assets/amazon-cloudwatch-agent.gpg" "$FINGERPRINT" "$folder/key.gpg"
download_signed "$url" "$url.sig" "$folder/key.gpg" "$folder/agent.deb"
dpkg --install "$folder/agent.deb"
