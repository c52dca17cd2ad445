"""torchrun's command line and the environment of the ranks."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import dlcluster.node
from dlcluster.node import launch

NODE = Path(dlcluster.node.__path__[0])
SPEC = {
    "id": "lenet-1",
    "cluster": "demo",
    "node": "worker-1",
    "nodes": {"head": "10.0.0.4", "worker-0": "10.0.0.10", "worker-1": "10.0.0.11"},
    "ports": {"rendezvous": 4000, "hub": 4001},
    "script": "train.py",
    "args": ["--epochs", "2"],
    "env": {},
}


def test_torchrun_meets_at_the_head_and_runs_the_ranks_through_our_wrapper():
    command = launch.torchrun(SPEC, "/py", 4, "/job")
    assert command[:2] == ["/py", str(NODE / "torchrun.py")]
    for option in (
        "--nnodes=2:2",
        "--nproc-per-node=4",
        "--max-restarts=0",
        "--rdzv-endpoint=10.0.0.4:4000",
        "--rdzv-id=lenet-1",
        "--local-addr=10.0.0.11",
    ):
        assert option in command
    wrapper = command.index("--no-python")
    assert command[wrapper + 1 :] == [
        "/py",
        "-S",
        str(NODE / "rank.py"),
        "/job",
        "/py",
        "-u",
        "train.py",
        "--epochs",
        "2",
    ]


def test_programs_that_are_not_python_run_by_themselves():
    assert launch.program({"script": "bin/go", "args": ["1"]}, "/py") == ["./bin/go", "1"]


@pytest.mark.parametrize(
    ("environ", "spec", "expected"),
    [
        ({"DLCLUSTER_PYTHON": "/node"}, {"python": "/job"}, "/node"),
        ({}, {"python": "/job"}, "/job"),
        ({}, {}, "/opt/pytorch/bin/python" if Path("/opt/pytorch/bin/python").exists() else "python3"),
    ],
)
def test_the_nodes_python_comes_before_the_jobs_and_the_images(environ, spec, expected):
    assert launch.python(spec, environ) == expected


def test_ranks_find_our_names_and_those_of_other_tools():
    environ = {"HOME": "/h", "PYTHONPATH": "/mine", "OMP_NUM_THREADS": "1"}
    spec = {**SPEC, "env": {"LR": "0.1"}}
    env = launch.environment(spec, 2, 2, "/job", "/bundle", environ)
    assert env["PYTHONPATH"] == "/bundle/engine:/job/code:/mine"
    assert env["DLCLUSTER_NODE_IPS"] == env["SKYPILOT_NODE_IPS"] == env["DSTACK_NODES_IPS"] == "10.0.0.10\n10.0.0.11"
    assert env["DLCLUSTER_NODE_RANK"] == env["SKYPILOT_NODE_RANK"] == env["DSTACK_NODE_RANK"] == "1"
    assert env["DEEPLEARNING_WORKERS_COUNT"] == "2"
    assert env["DEEPLEARNING_WORKER_GPU_COUNT"] == "2"
    assert env["DSTACK_GPUS_NUM"] == "4"
    assert env["DLCLUSTER_OUTPUT_DIR"] == "/job/output"
    assert env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"
    assert (env["LR"], env["HOME"], env["OMP_NUM_THREADS"]) == ("0.1", "/h", "1")
    assert "OMP_NUM_THREADS" not in launch.environment(SPEC, 2, 2, "/job", "/bundle", {})


@pytest.mark.parametrize(("own", "expected"), [({}, "/mine"), ({"PYTHONPATH": "/asked"}, "/asked")])
def test_torchrun_itself_loads_nothing_from_the_code_that_is_still_being_copied(own, expected):
    environ = {"PYTHONPATH": "/mine"}
    spec = {**SPEC, "env": own}
    ranks = launch.environment(spec, 1, 0, "/job", "/bundle", environ)
    torchrun = launch.torchrun_environment(spec, ranks, environ)
    assert torchrun.pop("DLCLUSTER_PYTHONPATH") == ranks["PYTHONPATH"]
    assert torchrun == {**ranks, "PYTHONPATH": expected}


def test_the_jobs_own_environment_has_the_last_word():
    spec = {**SPEC, "env": {"NCCL_SOCKET_IFNAME": "eth7", "DLCLUSTER_NODES": "x"}}
    env = launch.environment(spec, 1, 0, "/job", "/bundle", {})
    assert (env["NCCL_SOCKET_IFNAME"], env["DLCLUSTER_NODES"]) == ("eth7", "x")


def test_every_loopback_address_is_on_the_loopback_interface():
    assert launch.interface_of("127.1.0.7") in {"lo", "lo0"}


def test_an_interface_is_found_by_its_address_and_by_its_network(monkeypatch):
    table = {"eth0": ("10.1.0.5", "255.255.0.0"), "eth1": ("10.2.0.5", "255.255.255.0")}
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(["lo", "eth0", "eth1"])))
    monkeypatch.setattr(launch, "_ask", lambda name, what: table.get(name, ("", ""))[what == launch.SIOCGIFNETMASK])
    assert launch.interface_of("10.2.0.5") == "eth1"
    assert launch.interface_of("10.1.9.9") == "eth0"
    assert launch.interface_of("192.0.2.1") == ""


def test_gpus_are_counted_by_the_driver_and_none_without_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.gpus() == 0
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA A10G (UUID: GPU-1)'\necho 'GPU 1: NVIDIA A10G (UUID: GPU-2)'\n")
    tool.chmod(0o755)
    assert launch.gpus() == 2
    tool.write_text("#!/bin/sh\necho 'GPU 0: x'; exit 9\n")
    assert launch.gpus() == 0


def test_node_code_is_python_3_8():
    """The oldest python3 among the images that can be chosen; checked by grammar, as no 3.8 need be at hand."""
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--target-version", "py38", "--select", "E9,F821"]
    checked = subprocess.run([*ruff, str(NODE)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
