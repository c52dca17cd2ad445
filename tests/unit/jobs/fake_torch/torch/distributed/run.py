"""torchrun's outer behaviour: starts the ranks of this node, ends them all when one fails or SIGTERM comes."""

import argparse
import os
import signal
import subprocess
import sys
import time


class Terminated(Exception):
    pass


def terminate(number, frame):
    # As torchrun does. To wait for the ranks in here could wait for a lock that the interrupted code holds.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def arguments():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("nnodes", "nproc-per-node", "rdzv-endpoint", "rdzv-id", "local-addr", "max-restarts"):
        parser.add_argument("--" + name, required=True)
    for name in ("rdzv-backend", "rdzv-conf", "monitor-interval"):
        parser.add_argument("--" + name)
    parser.add_argument("--no-python", action="store_true", required=True)
    parser.add_argument("program", nargs=argparse.REMAINDER)
    return parser.parse_args()


def start(program, nodes, count, local_rank):
    rank = int(os.environ["DLCLUSTER_NODE_RANK"]) * count + local_rank
    names = {"RANK": rank, "LOCAL_RANK": local_rank, "WORLD_SIZE": nodes * count, "TORCHELASTIC_RESTART_COUNT": 0}
    env = {**os.environ, **{name: str(value) for name, value in names.items()}}
    return subprocess.Popen(program, env=env, start_new_session=True)


def main():
    options = arguments()
    count, nodes = int(options.nproc_per_node), int(options.nnodes.split(":")[0])
    children = []
    try:
        signal.signal(signal.SIGTERM, terminate)
        for local_rank in range(count):
            children.append(start(options.program, nodes, count, local_rank))
        while any(child.poll() is None for child in children) and not any(child.poll() for child in children):
            time.sleep(0.02)
    except Terminated:
        pass
    for child in children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
    codes = [child.wait() for child in children]
    sys.exit(1 if any(codes) else 0)


if __name__ == "__main__":
    main()
