#!/usr/bin/env bash
# Micromamba makes an environment of conda-forge, with a program that runs.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$PARAM_PREFIX/bin/micromamba" create --yes --quiet --root-prefix "$folder/root" --prefix "$folder/test" \
  --override-channels --channel conda-forge zstd
"$folder/test/bin/zstd" --version
