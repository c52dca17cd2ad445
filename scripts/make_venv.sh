#!/usr/bin/env bash
# Makes the virtual environment that `make demo` and `make test` use: every version pinned by constraints.txt.
# usage: make_venv.sh DIR     environment: PYTHON (an interpreter, 3.11 or newer)
set -euo pipefail
venv=$1
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "dlcluster needs Python 3.11 or newer; '$python' is not. Try: make venv PYTHON=python3.12" >&2
    exit 2
fi
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" || {
        echo "no virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 2
    }
fi
echo "installing into $venv (a few minutes the first time: torch is large)" >&2
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,engine,test]'
