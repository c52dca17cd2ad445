#!/usr/bin/env bash
# CNTK 2.7 in an environment of its own. It wants the libraries of OpenMPI 1.10; those of OpenMPI 4 serve.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages openmpi-bin
make_environment cntk 3.6 requirements.lock

folder=$PARAM_PREFIX/cntk/mpi
mkdir -p "$folder"
for pair in libmpi_cxx.so.1=libmpi_cxx.so.40 libmpi.so.12=libmpi.so.40; do
  library=$(ldconfig -p | awk -v name="${pair#*=}" '$1 == name && !found++ { print $NF }')
  if [[ -z $library ]]; then
    echo "cntk: the system has no ${pair#*=}" >&2
    exit 1
  fi
  ln -sfn "$library" "$folder/${pair%=*}"
done
echo "export LD_LIBRARY_PATH=$folder\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" >"$PARAM_PREFIX/cntk/mpi.sh"
