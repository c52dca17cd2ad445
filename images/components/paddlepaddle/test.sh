#!/usr/bin/env bash
# PaddlePaddle trains a small network on real digits.
set -euo pipefail

PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/paddlepaddle/bin/python" train.py
