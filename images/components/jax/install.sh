#!/usr/bin/env bash
# JAX in an environment of its own, for this machine's GPUs or for the CPU alone.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

make_environment jax 3.11 "$PARAM_ACCELERATOR.lock"
