#!/usr/bin/env bash
# NCCL from NVIDIA's signed repository, and what it has to know about EFA. (PyTorch's wheels bring an NCCL of their own;
# that one finds aws-ofi-nccl by the same settings.)
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

VERSION=2.28.9-1+cuda13.0

add_cuda_repository
install_packages "libnccl2=$VERSION" "libnccl-dev=$VERSION" g++ -- "libnccl-$VERSION" "libnccl-devel-$VERSION" gcc-c++
for folder in /opt/amazon/ofi-nccl/lib /opt/amazon/ofi-nccl/lib64 /opt/amazon/efa/lib /opt/amazon/efa/lib64; do
  if [[ -d $folder ]]; then echo "$folder"; fi
done >/etc/ld.so.conf.d/dlcluster-nccl.conf
ldconfig
