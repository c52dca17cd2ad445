#!/usr/bin/env bash
# Make this machine the head of a Slurm cluster, or one of its workers.
# usage: dlcluster-slurm head
#        dlcluster-slurm worker HEAD     (HEAD: name or address of the head)
# Before a worker is started, /etc/munge/munge.key has to be the head's. Workers join by themselves and take their
# configuration from the head. A job gets whole machines, with all their GPUs.
set -euo pipefail

usage() {
  sed -n '2,6s/^# //p' "$0" >&2
  exit 2
}

# usage: start SERVICE PROGRAM [ARGUMENT...]
start() {
  local service=$1
  shift
  if [[ -d /run/systemd/system ]]; then
    systemctl enable --now "$service"
  else
    "$@"
  fi
}

start_munge() {
  if munge --no-input >/dev/null 2>&1; then return; fi # head and worker on one machine
  chown munge:munge /etc/munge/munge.key
  chmod 0400 /etc/munge/munge.key
  install -d -o munge -g munge -m 0755 /run/munge
  start munge runuser -u munge -- /usr/sbin/munged
}

head() {
  local track=proctrack/cgroup task=task/cgroup
  rm -f /etc/slurm/cgroup.conf
  if [[ ! -f /sys/fs/cgroup/cgroup.controllers ]]; then # a container or a bare root file system
    track=proctrack/linuxproc task=task/none
    echo 'CgroupPlugin=cgroup/v1' >/etc/slurm/cgroup.conf
  fi
  if [[ ! -f /etc/munge/munge.key ]]; then
    (umask 077 && dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none)
  fi
  start_munge
  install -d -o slurm -g slurm -m 0755 /var/lib/slurm/state /var/log/slurm
  cat >/etc/slurm/slurm.conf <<EOC
ClusterName=dlcluster
SlurmctldHost=$(hostname -s)
SlurmUser=slurm
AuthType=auth/munge
SlurmctldParameters=enable_configless
StateSaveLocation=/var/lib/slurm/state
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=$track
TaskPlugin=$task
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MaxNodeCount=1024
ReturnToService=2
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE OverSubscribe=EXCLUSIVE State=UP
EOC
  start slurmctld /usr/sbin/slurmctld
}

worker() {
  local server=$1
  if [[ ! -f /etc/munge/munge.key ]]; then
    echo "dlcluster-slurm: put the head's /etc/munge/munge.key here first" >&2
    exit 1
  fi
  start_munge
  install -d -m 0755 /var/lib/slurm/slurmd /var/log/slurm
  echo "SLURMD_OPTIONS='-Z --conf-server $server:6817'" >/etc/default/slurmd
  start slurmd /usr/sbin/slurmd -Z --conf-server "$server:6817"
}

case ${1:-} in
  head) head ;;
  worker) worker "${2:?$(usage)}" ;;
  *) usage ;;
esac
