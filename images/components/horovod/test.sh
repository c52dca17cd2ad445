#!/usr/bin/env bash
# Two processes train one network on real digits, each on half of every batch.
set -euo pipefail

export PYTHONPATH=$PARAM_PREFIX/share/digits PATH=$PARAM_PREFIX/horovod/bin:$PATH
horovodrun --gloo -np 2 -H localhost:2 python train.py
