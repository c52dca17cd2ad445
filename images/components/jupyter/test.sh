#!/usr/bin/env bash
# JupyterLab answers on the loopback; every kernel starts and computes.
set -euo pipefail

"$PARAM_PREFIX/jupyter/bin/python" try_kernels.py
folder=$(mktemp -d)
export HOME=$folder JUPYTER_TOKEN=test
port=$("$PARAM_PREFIX/jupyter/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$PARAM_PREFIX/jupyter/bin/jupyter" lab --allow-root --no-browser --ip 127.0.0.1 --port "$port" 2>"$folder/log" &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -rf "$folder"' EXIT
for _ in $(seq 60); do
  if code=$(curl -fsS -o /dev/null -w "%{http_code}" "http://127.0.0.1:$port/lab?token=test" 2>/dev/null); then
    echo "JupyterLab answers $code"
    exit 0
  fi
  sleep 1
done
cat "$folder/log" >&2
echo "jupyter: the server did not answer within 60 s" >&2
exit 1
