#!/usr/bin/env bash
# Git, curl, certificates and a time zone.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages ca-certificates curl git tzdata -- ca-certificates git tzdata
ln -sf "/usr/share/zoneinfo/$PARAM_TIMEZONE" /etc/localtime
