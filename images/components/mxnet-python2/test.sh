#!/usr/bin/env bash
# MXNet on Python 2.7 trains a small network on real digits.
set -euo pipefail

PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/mxnet-python2/bin/python" train.py
