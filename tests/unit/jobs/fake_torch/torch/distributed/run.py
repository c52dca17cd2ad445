"""torchrun's outer behaviour: starts the ranks of this node, ends them all when one fails or SIGTERM comes."""

import argparse
import os
import signal
import subprocess
import sys
import time

parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("nnodes", "nproc-per-node", "rdzv-endpoint", "rdzv-id", "local-addr", "max-restarts"):
    parser.add_argument("--" + name, required=True)
for name in ("rdzv-backend", "rdzv-conf", "monitor-interval"):
    parser.add_argument("--" + name)
parser.add_argument("--no-python", action="store_true", required=True)
parser.add_argument("program", nargs=argparse.REMAINDER)
options = parser.parse_args()
count, nodes = int(options.nproc_per_node), int(options.nnodes.split(":")[0])


def start(local_rank):
    rank = int(os.environ["DLCLUSTER_NODE_RANK"]) * count + local_rank
    names = {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": nodes * count, "TORCHELASTIC_RESTART_COUNT": 0}
    env = {**os.environ, **{name: str(value) for name, value in names.items()}}
    return subprocess.Popen(options.program, env=env, start_new_session=True)


def end(number=None, frame=None):
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
    for child in children:
        child.wait()
    sys.exit(1)


children = [start(local_rank) for local_rank in range(count)]
signal.signal(signal.SIGTERM, end)
while any(child.poll() is None for child in children):
    if any(child.poll() for child in children):
        end()
    time.sleep(0.02)
sys.exit(1 if any(child.returncode for child in children) else 0)
