#!/usr/bin/env bash
# MinPy trains a small network on real digits.
set -euo pipefail

PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/minpy/bin/python" train.py
