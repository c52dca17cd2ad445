#!/usr/bin/env bash
# libfabric is there and its plugin for NCCL loads; on a machine with an EFA device, libfabric finds it.
set -euo pipefail

/opt/amazon/efa/bin/fi_info --version | sed -n 1p
plugin=$(find /opt/amazon/ofi-nccl -name 'libnccl-net*.so' | sed -n 1p)
if [[ -z $plugin ]]; then
  echo "efa: there is no NCCL plugin below /opt/amazon/ofi-nccl" >&2
  exit 1
fi
if ldd "$plugin" | grep 'not found'; then exit 1; fi
if compgen -G '/sys/class/infiniband/*' >/dev/null; then
  /opt/amazon/efa/bin/fi_info -p efa -t FI_EP_RDM
else
  echo "efa: no EFA device here: libfabric was not tried on one"
fi
