"""How a worker starts its ranks: torchrun's command line and the environment that scripts find."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from typing import Any

PYTHONS = ("/opt/pytorch/bin/python", "python3")
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B


def python(spec: dict[str, Any], environ: Mapping[str, str]) -> str:
    """The job's interpreter: the node's own (DLCLUSTER_PYTHON), else the job's, the image's, python3."""
    wanted = environ.get("DLCLUSTER_PYTHON") or spec.get("python")
    return wanted or next(name for name in PYTHONS if shutil.which(name) or name == PYTHONS[-1])


def gpus() -> int:
    """The number of GPUs of this node, 0 when there is no NVIDIA driver."""
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    lines = answer.stdout.decode("utf-8", "replace").splitlines()
    return sum(line.startswith("GPU ") for line in lines) if answer.returncode == 0 else 0


def workers(spec: dict[str, Any]) -> dict[str, str]:
    """Name and private address of every node that trains, in order."""
    return {name: address for name, address in spec["nodes"].items() if name != "head"}


def torchrun(spec: dict[str, Any], interpreter: str, processes: int, directory: str) -> list[str]:
    """torchrun's command line on this node. The store that it meets the others at runs on the head already."""
    count = len(workers(spec))
    rendezvous = f"{spec['nodes']['head']}:{spec['ports']['rendezvous']}"
    here = os.path.dirname(os.path.abspath(__file__))
    return [
        interpreter,
        os.path.join(here, "torchrun.py"),
        f"--nnodes={count}:{count}",
        f"--nproc-per-node={processes}",
        f"--max-restarts={spec.get('max_restarts', 0)}",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=" + rendezvous,
        "--rdzv-id=" + spec["id"],
        "--rdzv-conf=is_host=0,join_timeout=600,last_call_timeout=2,keep_alive_interval=2,keep_alive_max_attempt=5",
        "--local-addr=" + spec["nodes"][spec["node"]],
        "--monitor-interval=0.05",
        "--no-python",
        interpreter,
        "-S",  # rank.py needs nothing installed
        os.path.join(here, "rank.py"),
        directory,
        *program(spec, interpreter),
    ]


def program(spec: dict[str, Any], interpreter: str) -> list[str]:
    """What every rank runs: Python scripts with the interpreter, anything else by itself."""
    script = spec["script"]
    start = [interpreter, "-u", script] if script.endswith(".py") else [os.path.join(".", script)]
    return start + list(spec.get("args", []))


def environment(
    spec: dict[str, Any], processes: int, gpu_count: int, directory: str, bundle: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """The ranks' environment: `environ`, then ours, then the job's own, which wins. torchrun adds torch's names."""
    names, node = list(workers(spec)), spec["node"]
    addresses = "\n".join(workers(spec).values())
    path = [os.path.join(bundle, "engine"), os.path.join(directory, "code"), environ.get("PYTHONPATH", "")]
    count, order, each = str(len(names)), str(names.index(node)), str(processes)
    ours = {
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        "PYTHONUNBUFFERED": "1",
        # A node that joins later would wait for ever for an address that the first ones published before it came.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "DLCLUSTER_JOB_ID": spec["id"],
        "DLCLUSTER_CLUSTER": spec["cluster"],
        "DLCLUSTER_NODE_NAME": node,
        "DLCLUSTER_NODE_RANK": order,
        "DLCLUSTER_NODES": count,
        "DLCLUSTER_NODE_IPS": addresses,
        "DLCLUSTER_HEAD_IP": spec["nodes"]["head"],
        "DLCLUSTER_GPUS_PER_NODE": str(gpu_count),
        "DLCLUSTER_PROCESSES_PER_NODE": each,
        "DLCLUSTER_OUTPUT_DIR": os.path.join(directory, "output"),
        "DLCLUSTER_BUCKET": spec.get("bucket", ""),
        # The names of older tools, so that scripts written for them run unchanged.
        "DEEPLEARNING_WORKERS_COUNT": count,
        "DEEPLEARNING_WORKERS_PATH": os.path.join(directory, "workers"),
        "DEEPLEARNING_WORKER_GPU_COUNT": str(gpu_count),
        "SKYPILOT_NODE_RANK": order,
        "SKYPILOT_NODE_IPS": addresses,
        "SKYPILOT_NUM_NODES": count,
        "SKYPILOT_NUM_GPUS_PER_NODE": str(gpu_count),
        "SKYPILOT_TASK_ID": spec["id"],
        "DSTACK_NODE_RANK": order,
        "DSTACK_NODES_NUM": count,
        "DSTACK_NODES_IPS": addresses,
        "DSTACK_MASTER_NODE_IP": next(iter(workers(spec).values())),
        "DSTACK_GPUS_PER_NODE": str(gpu_count),
        "DSTACK_GPUS_NUM": str(gpu_count * len(names)),
    }
    interface = interface_of(spec["nodes"][node])
    if interface:
        ours.update(GLOO_SOCKET_IFNAME=interface, NCCL_SOCKET_IFNAME=interface)
    return {**environ, **ours, **spec.get("env", {})}


def torchrun_environment(
    spec: dict[str, Any], environment: dict[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """The same for torchrun itself: it loads while the code is being copied, and must not load modules from there.

    rank.py gives the program its PYTHONPATH.
    """
    own = spec.get("env", {}).get("PYTHONPATH", environ.get("PYTHONPATH", ""))
    return {**environment, "PYTHONPATH": own, "DLCLUSTER_PYTHONPATH": environment["PYTHONPATH"]}


def interface_of(address: str) -> str:
    """The network interface that holds an IPv4 address, '' when none does (torch then chooses by itself)."""
    wanted = ipaddress.ip_address(address)
    names = [name for _, name in socket.if_nameindex()]
    if wanted.is_loopback:  # all of 127.0.0.0/8 is there, though only 127.0.0.1 is listed
        return next((name for name in names if name in ("lo", "lo0")), "")
    for name in names:
        own = _ask(name, SIOCGIFADDR)
        if own == address:
            return name
    for name in names:  # a secondary address: its network is the interface's
        own, mask = _ask(name, SIOCGIFADDR), _ask(name, SIOCGIFNETMASK)
        if own and mask and wanted in ipaddress.ip_network(f"{own}/{mask}", strict=False):
            return name
    return ""


def _ask(name: str, request: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock.fileno(), request, struct.pack("256s", name.encode()[:15]))
        except OSError:  # an interface without an IPv4 address, or not Linux
            return ""
    return socket.inet_ntoa(answer[20:24])
