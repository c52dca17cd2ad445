#!/usr/bin/env bash
# Docker knows NVIDIA's runtime; where Docker runs, the runtime answers.
set -euo pipefail

dockerd --version
nvidia-ctk --version | sed -n 1p
jq -e '.runtimes.nvidia.path' /etc/docker/daemon.json
if [[ $IMAGE_TARGET != docker && $IMAGE_TARGET != rootfs ]]; then
  systemctl restart docker
  docker info --format '{{json .Runtimes}}' | grep nvidia
fi
