#!/usr/bin/env bash
# Make this machine the head of a Slurm cluster, or one of its workers.
# usage: dlcluster-slurm head
#        dlcluster-slurm worker HEAD     (HEAD: name or address of the head)
# Before a worker is started, /etc/munge/munge.key has to be the head's. Workers join by themselves and take their
# configuration from the head; their GPUs become the resource gpu.
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
  chown munge:munge /etc/munge/munge.key
  chmod 0400 /etc/munge/munge.key
  install -d -o munge -g munge -m 0755 /run/munge
  start munge runuser -u munge -- /usr/sbin/munged
}

head() {
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
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MaxNodeCount=1024
ReturnToService=2
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOC
  start slurmctld /usr/sbin/slurmctld
}

worker() {
  local server=$1 gpus what=()
  if [[ ! -f /etc/munge/munge.key ]]; then
    echo "dlcluster-slurm: put the head's /etc/munge/munge.key here first" >&2
    exit 1
  fi
  start_munge
  install -d -m 0755 /var/lib/slurm/slurmd /var/log/slurm
  gpus=$(compgen -G '/dev/nvidia[0-9]*' | wc -l || true)
  if ((gpus > 0)); then what=(--conf "Gres=gpu:$gpus"); fi
  echo "SLURMD_OPTIONS=\"-Z --conf-server $server:6817 ${what[*]@Q}\"" >/etc/default/slurmd
  start slurmd /usr/sbin/slurmd -Z --conf-server "$server:6817" "${what[@]}"
}

case ${1:-} in
  head) head ;;
  worker) worker "${2:?$(usage)}" ;;
  *) usage ;;
esac
