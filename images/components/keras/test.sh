#!/usr/bin/env bash
# Keras trains a small network on real digits with each of its backends.
set -euo pipefail

for backend in torch tensorflow jax; do
  KERAS_BACKEND=$backend PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/keras/bin/python" train.py
done
