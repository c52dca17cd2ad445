#!/usr/bin/env bash
# Style, types, layers and shell scripts, the slow two side by side. usage: lint.sh BIN_DIR_OF_THE_VENV
set -euo pipefail
bin=$1
scripts() { git ls-files -z '*.sh' | xargs -0 -r "$bin/shellcheck"; }
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy" &
types=$!
status=0
scripts || status=$?
"$bin/lint-imports" || status=$?
wait "$types" || status=$?
exit "$status"
