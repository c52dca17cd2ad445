from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from dlengine import EngineError, fit, models
from dlengine.data import Dataset
from dlengine.parallel import Place, read_place
from dlengine.parallel.place import pick_device
from torch import nn

X = np.zeros((12, 1, 28, 28), np.float32)
Y = np.arange(12) % 10


def refused(message: str, model: nn.Module | None = None, data: object = None, **arguments) -> EngineError:
    """The error of a fit that must not begin."""
    with pytest.raises(EngineError, match=message) as raised:
        fit(
            model or models.lenet(),
            (X, Y) if data is None else data,
            **{"progress": False, "device": "cpu", **arguments},
        )
    return raised.value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epoch": 3}, "fit has no argument 'epoch'\n  hint: did you mean 'epochs'?"),
        ({"patience": 3}, "hint: known: model, train, test, epochs"),
        ({"epochs": 0}, "epochs=0 is not a duration"),
        ({"epochs": "ten"}, "epochs='ten' is not a duration"),
        ({"epochs": 1.5}, "not a duration"),
        ({"epochs": True}, "not a duration"),
        ({"epochs": -1}, "not a duration"),
        ({"checkpoint_every": "2h"}, "checkpoint_every='2h'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 8.0}, "batch_size=8.0"),
        ({"lr": 0}, "lr=0"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"momentum": 1}, "momentum=1"),
        ({"weight_decay": -1}, "weight_decay=-1"),
        ({"warmup": 1.0}, "warmup=1.0"),
        ({"seed": -1}, "seed=-1"),
        ({"optimizer": "sdg"}, "did you mean 'sgd'"),
        ({"schedule": "onecycle"}, "did you mean 'one-cycle'"),
        ({"resume": "yes"}, "known: auto, never, must"),
        ({"resume": "must"}, "without a checkpoint directory"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "meta"}, "device 'meta' is not supported"),
        ({"loss": lambda output, y: output}, r"no single number but \(2, 10\)"),
        ({"loss": lambda output, y: 1.0}, "no single number but float"),
        ({"schedule": lambda done: done, "warmup": 0.1}, "schedule of your own"),
        ({"optimizer": lambda parameters: None}, "returned a NoneType"),
        ({"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1), "lr": 0.1}, "lr is given beside"),
        ({"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)}, "not this model's"),
    ],
)
def test_arguments_that_no_run_can_have(arguments, message):
    refused(message, **arguments)


def test_must_resume_needs_a_checkpoint(tmp_path):
    refused("no checkpoint in", checkpoint=tmp_path, resume="must")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[:, :, :20], Y), r"layer 'fc1' \(Linear.*wants inputs of shape \(N, ..., 800\) and got \(N, 400\)"),
        ((np.repeat(X, 3, axis=1), Y), r"layer 'conv1'.*shape \(N, 1, height, width\) and got \(N, 3, 28, 28\)"),
        ((X.astype(np.uint8), Y), "layer 'conv1'.*float32 weights and got torch.uint8"),
        ((X[:, :, :3], Y), r"layer 'conv1'.*got \(N, 1, 3, 28\)"),
        ((X, Y - 1), r"label -1 of sample 0 is out of range, with 10 classes"),
        ((X, Y + 1), r"label 10 of sample 9 is out of range"),
        ((X, Y.astype(float)), "labels are torch.float32"),
        ((X, np.stack([Y, Y], 1)), r"output has shape \(2, 10\) and the targets \(2, 2\)"),
        ((X, Y[:3]), "12 inputs but 3 targets"),
        ((X[:0], Y[:0]), "empty"),
        ("digits", "training data is a str"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_the_model(data, message):
    refused(message, data=data)


def test_models_that_cannot_be_trained():
    frozen = models.mlp(784, (4,), 10).requires_grad_(False)
    refused("no trainable parameter", model=frozen)

    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1)), 1

    refused("returned a tuple", model=Pair(784, 10))

    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1)).detach().requires_grad_()

    refused("depends on no parameter", model=Detached(784, 10))


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_weights():
    model = models.mlp(784, (4,), 10)
    data = Dataset(X.copy(), Y)
    data.x[7, 0, 3, 3] = float("inf")
    error = refused("in step", model=model, data=data, batch_size=1, lr=0.1)
    assert "input of sample 7 is not finite" in error.what
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    big = Dataset(np.ones((12, 784)), Y)
    error = refused(
        r"the loss became (nan|inf) in step \d+ \(epoch \d\)", model=models.mlp(784, (), 10), data=big, lr=1e38
    )
    assert "smaller lr" in error.hint


def test_the_probe_leaves_no_trace():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    refused("out of range", model=model, data=(X, Y + 5))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training and not module._forward_hooks for module in model.modules())


def test_an_uncaught_error_ends_with_what_and_hint_and_without_engine_frames(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        textwrap.dedent("""
            import dlengine, numpy
            dlengine.fit(dlengine.models.lenet(), (numpy.zeros((4, 1, 28, 28)), numpy.full(4, 12)), device="cpu")
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[-2].endswith("label 12 of sample 0 is out of range, with 10 classes")
    assert lines[-1].startswith("  hint: labels must lie in 0..9")
    assert 'mine.py", line 3' in done.stderr
    assert "torch/" not in done.stderr
    assert "probe.py" not in done.stderr


FULL = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"}


def test_place_comes_from_the_environment_of_torchrun():
    assert read_place({}) == Place(0, 1, 0)
    assert read_place(FULL) == Place(1, 3, 0)
    assert read_place({"RANK": "0", "WORLD_SIZE": "1"}) == Place(0, 1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MASTER_ADDR": ""}, "not MASTER_ADDR"),
        ({"RANK": ""}, "not RANK"),
        ({"RANK": "3"}, r"outside 0\.\.2"),
        ({"RANK": "one"}, "not a whole number"),
    ],
)
def test_an_incomplete_environment_is_an_error(change, message):
    with pytest.raises(EngineError, match=message):
        read_place(FULL | change)


def test_more_processes_than_gpus_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto", Place(local_rank=1)) == torch.device("cuda", 1)
    assert pick_device("cpu", Place(local_rank=1)) == torch.device("cpu")
    with pytest.raises(EngineError, match="GPU 2 does not exist"):
        pick_device("auto", Place(local_rank=2))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(EngineError, match="there is no GPU"):
        pick_device("cuda", Place())


def test_more_ranks_than_samples_is_an_error(monkeypatch):
    for name, value in (FULL | {"WORLD_SIZE": "13"}).items():
        monkeypatch.setenv(name, value)
    refused("13 ranks for 12 samples")
