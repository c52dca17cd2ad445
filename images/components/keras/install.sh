#!/usr/bin/env bash
# Keras 3 with three backends in an environment of its own, for this machine's GPUs or for the CPU alone.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

make_environment keras 3.11 "$PARAM_ACCELERATOR.lock" --find-links "$PARAM_WHEELS"
