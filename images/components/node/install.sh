#!/usr/bin/env bash
# What dlcluster needs on a node: Python 3 of the system for its own modules, SSH, NFS for EFS, limits that EFA needs.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages ca-certificates curl git jq nfs-common openssh-server procps python3 rsync tar -- \
  ca-certificates findutils git gzip jq nfs-utils openssh-server procps-ng python3 rsync tar

# Transfers over EFA and big data loaders lock memory and open many files.
mkdir -p /etc/security/limits.d
cat >/etc/security/limits.d/90-dlcluster.conf <<'EOL'
* soft memlock unlimited
* hard memlock unlimited
* soft nofile 1048576
* hard nofile 1048576
EOL
