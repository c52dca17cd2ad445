"""The store where the ranks find each other: a TCPStore on the head, outside the training, as long as the job runs.

    python3 rendezvous.py ADDRESS PORT FD        (FD: the listening socket, already bound)

It stays alone in a process because it is the only part of the node code that needs torch.
"""

from __future__ import annotations

import signal
import sys


def main(address: str, port: str, descriptor: str) -> None:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore(address, int(port), None, True, wait_for_workers=False, master_listen_fd=int(descriptor))
    print(f"rendezvous on {store.host}:{store.port}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
