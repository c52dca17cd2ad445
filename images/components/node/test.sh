#!/usr/bin/env bash
# The programs are there and new enough; the SSH server accepts its configuration.
set -euo pipefail

python3 -c 'import json, socket, sqlite3, ssl, sys; assert sys.version_info >= (3, 9), sys.version'
for program in curl git jq rsync tar mount.nfs4 ps; do
  command -v "$program" >/dev/null || { echo "node: $program is missing" >&2; exit 1; }
done
mkdir -p /run/sshd
ssh-keygen -A
"$(command -v sshd || echo /usr/sbin/sshd)" -t
grep -q 'memlock unlimited' /etc/security/limits.d/90-dlcluster.conf
echo "node: ok, Python $(python3 -c 'import platform; print(platform.python_version())')"
