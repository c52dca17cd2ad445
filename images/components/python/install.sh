#!/usr/bin/env bash
# Interpreters below $PARAM_PREFIX/python: the system's own where it has that version, else conda-forge's.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

install_packages ca-certificates libgomp1 python3-venv -- ca-certificates libgomp
for version in $PARAM_VERSIONS; do
  if [[ $version == 2.7 ]]; then make_virtualenv; fi
  path=$(python_of "$version")
  mkdir -p "$PARAM_PREFIX/bin"
  ln -sfn "$path" "$PARAM_PREFIX/bin/python$version"
done
install -D -m 0644 -t "$PARAM_PREFIX/share/digits" digits.py digits.txt
