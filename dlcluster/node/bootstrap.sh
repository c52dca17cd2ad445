#!/bin/bash
# First boot of a node: write the agent, run the setup lines, then publish host key and state in the node's own tags.
# On AWS cloud-init runs it as root. On an emulated node an ordinary user does, and NODE_ROOT stands for "/".
set -Eeuo pipefail

: "${DLCLUSTER_CLUSTER:?}" "${DLCLUSTER_ROLE:?}"
export DLCLUSTER_PYTHON="${DLCLUSTER_PYTHON:-@PYTHON@}" # python with torch
export HOME="${HOME:-/root}"
root="${NODE_ROOT:-}"
agent="$root/opt/dlcluster/agent.py"
setup="$root/opt/dlcluster/setup.sh"
log="$root/var/log/dlcluster-setup.log"

publish() { # STATE
    python3 -IS "$agent" state "$root/etc/ssh/ssh_host_ed25519_key.pub" "$1"
}

fail() { # REASON
    trap - ERR
    echo "dlcluster: failed: $1" >&2
    publish "failed: $1" || true
    exit 1
}
trap 'fail "exit $? in line $LINENO of the boot script: $BASH_COMMAND"' ERR

tune() { # training pins memory (NCCL, EFA); programs started over SSH must find the variables too
    printf '* %s memlock unlimited\n' soft hard >/etc/security/limits.d/dlcluster.conf
    printf '%s\n' "DLCLUSTER_CLUSTER=$DLCLUSTER_CLUSTER" "DLCLUSTER_ROLE=$DLCLUSTER_ROLE" \
        "DLCLUSTER_PYTHON=$DLCLUSTER_PYTHON" >>/etc/environment
    echo "export PATH=\"${DLCLUSTER_PYTHON%/*}:\$PATH\"" >/etc/profile.d/dlcluster.sh
}

run_setup() {
    local status=0 line last="no output"
    bash -eo pipefail "$setup" >"$log" 2>&1 </dev/null || status=$?
    [[ $status == 0 ]] && return
    while IFS= read -r line; do [[ $line ]] && last=$line; done <"$log"
    fail "setup ended with $status: $last"
}

mkdir -p "${agent%/*}" "${log%/*}"
cat >"$setup" <<'DLCLUSTER_SETUP'
@SETUP@
DLCLUSTER_SETUP
cat >"$agent" <<'DLCLUSTER_AGENT'
@AGENT@
DLCLUSTER_AGENT

if [[ -z $root && $EUID == 0 ]]; then tune; fi
if [[ $(<"$setup") ]]; then run_setup; fi
publish ready
