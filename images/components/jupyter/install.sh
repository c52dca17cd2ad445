#!/usr/bin/env bash
# JupyterLab, and a kernel for every environment that has ipykernel. Nothing listens: a user starts it, and reaches it
# through an SSH tunnel.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

make_environment jupyter 3.11 requirements.lock
kernels=$PARAM_PREFIX/jupyter/share/jupyter/kernels
for python in "$PARAM_PREFIX"/*/bin/python; do
  name=$(basename "${python%/bin/python}")
  if [[ $name == jupyter ]] || ! "$python" -c 'import ipykernel' 2>/dev/null; then continue; fi
  libraries=
  if [[ -d $PARAM_PREFIX/$name/mpi ]]; then libraries=$PARAM_PREFIX/$name/mpi; fi
  mkdir -p "$kernels/$name"
  cat >"$kernels/$name/kernel.json" <<EOK
{
  "display_name": "$name",
  "language": "python",
  "argv": ["$python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
  "env": {"LD_LIBRARY_PATH": "$libraries"}
}
EOK
done
