#!/usr/bin/env bash
# PyTorch in an environment of its own, for this machine's GPUs or for the CPU alone.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

make_environment torch 3.11 "$PARAM_ACCELERATOR.lock" --find-links "$PARAM_WHEELS"
