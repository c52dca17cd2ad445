#!/usr/bin/env bash
# Caffe's solver trains a small network on real digits and writes a .caffemodel.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GLOG_minloglevel=2 PYTHONPATH=$PARAM_PREFIX/share/digits
"$PARAM_PREFIX/caffe/bin/python" train.py "$folder"
