#!/usr/bin/env bash
# JAX trains a small network on real digits: on the GPU where there is one and the environment is made for it.
set -euo pipefail

gpu=no
if [[ $PARAM_ACCELERATOR == cuda ]] && nvidia-smi -L >/dev/null 2>&1; then gpu=yes; fi
GPU=$gpu PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/jax/bin/python" train.py
