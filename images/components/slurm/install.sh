#!/usr/bin/env bash
# Slurm (controller, node daemon, client) and Munge from the distribution's signed repository: 22.05 on Debian 12, 23.11 on
# Ubuntu 24.04. Nothing is started: dlcluster-slurm does that, on the head and on each worker.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

# No service starts while packages are installed: there is no configuration yet.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 0755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
install_packages munge slurm-client slurmctld slurmd
# A key that all images share would be no secret: each cluster makes its own.
rm -f /etc/munge/munge.key
if [[ $IMAGE_TARGET != docker && $IMAGE_TARGET != rootfs ]]; then
  systemctl disable munge slurmctld slurmd
fi
install -m 0755 dlcluster-slurm.sh /usr/local/sbin/dlcluster-slurm
# A worker has no slurm.conf: it takes the head's.
mkdir -p /etc/systemd/system/slurmd.service.d
printf '[Unit]\nConditionPathExists=\n' >/etc/systemd/system/slurmd.service.d/dlcluster.conf
