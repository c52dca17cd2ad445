#!/usr/bin/env bash
# Head and worker on this machine: srun and sbatch run a job, then everything is stopped again and the key is gone.
set -euo pipefail

stop() {
  if [[ -d /run/systemd/system ]]; then
    systemctl disable --now slurmd slurmctld munge || true
  else
    for file in /run/slurmd.pid /run/slurmctld.pid /run/munge/munged.pid; do
      if [[ -s $file ]]; then kill "$(<"$file")" || true; fi
    done
  fi
  if [[ -f $folder/hosts ]]; then cp "$folder/hosts" /etc/hosts; fi
  rm -rf /etc/munge/munge.key /etc/slurm/slurm.conf /etc/slurm/cgroup.conf /var/lib/slurm/state /var/lib/slurm/slurmd "$folder"
}

folder=$(mktemp -d)
trap stop EXIT
if ! getent hosts "$(hostname -s)" >/dev/null; then # as in a fresh root file system
  touch /etc/hosts
  cp /etc/hosts "$folder/hosts"
  echo "127.0.0.1 localhost $(hostname -s)" >>/etc/hosts
fi
dlcluster-slurm head
dlcluster-slurm worker "$(hostname -s)"
for _ in $(seq 60); do
  if [[ $(sinfo --noheader --format '%T' 2>/dev/null) == idle ]]; then break; fi
  sleep 1
done
sinfo
said=$(srun --time 1 hostname -s)
test "$said" = "$(hostname -s)"
echo "srun: ran on $said"
sbatch --wait --time 1 --chdir "$folder" --output "$folder/out" job.sh
grep '^job [0-9]* on ' "$folder/out"
