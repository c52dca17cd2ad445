#!/usr/bin/env bash
# Style, types, layers and shell scripts. usage: lint.sh BIN_DIR_OF_THE_VENV
set -euo pipefail
bin=$1
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/lint-imports"
git ls-files -z '*.sh' | xargs -0 -r "$bin/shellcheck"
