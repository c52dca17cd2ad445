"""Runs of two real processes over loopback, compared with a run of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.xdist_group("engine-ranks")

SCRIPT = Path(__file__).with_name("ranks_script.py")
WORLD = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The results of all runs of two ranks, made once; the second rank dies at the end."""
    folder = tmp_path_factory.mktemp("ranks")
    shared = os.environ | {
        "WORLD_SIZE": str(WORLD), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
        "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    ranks = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder],
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    try:
        said = [rank.communicate(timeout=180)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for number, rank in enumerate(ranks):
        (folder / f"stderr{number}.txt").write_text(said[number])
        (folder / f"code{number}.txt").write_text(str(rank.returncode))
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return [torch.load(folder / f"results{rank}.pt") for rank in range(WORLD)]


@pytest.fixture(scope="module")
def alone(results):
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import ranks_script
    finally:
        sys.path.pop(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield ranks_script.equal_runs(1)
    torch.set_num_threads(threads)


RUNS = [
    "uneven", "last batch of one", "adam", "partly used", "stream", "own streams", "loader", "micro-batches",
    "full memory", "early stop", "loop", "lenet", "lenet in float64",
]  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_two_ranks_with_half_the_batch_end_with_the_weights_of_one(results, alone, name):
    ours = results[0]["equal"][name]
    assert torch.equal(ours, results[1]["equal"][name])
    # Usually 1e-14 in float64; one pooling window whose two largest values are almost equal makes it 1e-9.
    assert (ours - alone[name]).abs().max() < (1e-8 if "float64" in name else 1e-6)
    metrics = f"{name}, metrics"
    assert torch.equal(results[0]["equal"][metrics], results[1]["equal"][metrics])
    assert (results[0]["equal"][metrics] - alone[metrics]).abs().max() < 1e-5


def test_all_ranks_stop_early_together(results):
    epochs = [len(results[rank]["equal"]["early stop, metrics"]) for rank in range(WORLD)]
    assert epochs[0] == epochs[1] < 9


def test_two_ranks_that_were_stopped_and_resumed_equal_two_that_were_not(results, folder):
    for rank in range(WORLD):
        run = results[rank]["interrupted"]
        assert run["code"] == 143
        assert bytes(run["came from"].tolist()).decode() == str(folder / "rank0" / "step-00000010.pt")
        assert torch.equal(run["straight"], run["resumed"])
        assert torch.equal(run["losses"][:, 0], run["losses"][:, 1])
    assert not (folder / "rank1").exists()


def test_running_statistics_end_equal_on_all_ranks(results):
    assert torch.equal(results[0]["batchnorm"], results[1]["batchnorm"])


def test_a_checkpoint_of_two_ranks_is_continued_by_one(alone, folder, capsys):
    import ranks_script
    from dlengine import fit

    model = ranks_script.small(torch.nn.Dropout(0.4))
    result = fit(model, ranks_script.points(101), epochs=4, batch_size=8, optimizer="adam", checkpoint=folder / "rank0")
    assert (result.epochs, result.steps) == (4, 21 + 13)
    assert "the checkpoint is of 2 ranks, this one has 1: continued, not repeated" in capsys.readouterr().out


def test_ranks_with_different_data_are_told_so(folder):
    for rank in range(WORLD):
        first, _ = json.loads((folder / f"errors{rank}.json").read_text())
        assert "rank 0 and rank 1 differ in training samples: 40 and 41" in first


def test_a_broken_loss_on_one_rank_stops_all_of_them_in_the_same_step(folder):
    said = [json.loads((folder / f"errors{rank}.json").read_text())[1] for rank in range(WORLD)]
    assert "the loss of another rank is not finite in step 1 (epoch 1)" in said[0]
    assert "the loss became nan in step 1 (epoch 1): the input of sample" in said[1]


def test_the_survivor_of_a_dead_rank_says_so_instead_of_waiting(folder):
    assert (folder / "code1.txt").read_text() == "7"
    assert (folder / "code0.txt").read_text() == "1"
    assert "rank 0 lost the connection to another rank" in (folder / "stderr0.txt").read_text()
