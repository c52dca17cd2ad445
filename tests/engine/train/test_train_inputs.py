"""What a caller can get wrong: said before the first step where it can be known, and before the weights change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dlengine import EngineError, fit
from torch import nn

PLAIN = {"progress": False, "device": "cpu", "tune": "off"}
X, Y = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def refused(message: str, model: nn.Module | None = None, train: object = (X, Y), **arguments) -> None:
    """No step was made: the weights are those from before."""
    model = model or net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(EngineError, match=message):
        fit(model, train, **{"epochs": 1, **PLAIN, **arguments})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "cross_entropy"}, "did you mean 'cross-entropy'"),
        ({"loss": "msee"}, "did you mean 'mse'"),
        ({"loss": 3}, "the loss is a int"),
        ({"metrics": "acuracy"}, "did you mean 'accuracy'"),
        ({"metrics": "mae"}, r"mae of outputs \(2, 3\) against targets \(2,\)"),
        ({"optimizer": "adanw"}, "did you mean 'adamw'"),
        ({"schedule": "wds"}, "did you mean 'wsd'"),
        ({"precision": "fp32"}, "unknown precision 'fp32'\\n.*known: float32, bf16, fp16, auto"),
        ({"precision": "float64"}, "did you mean 'float32'"),
        ({"decay": "weight"}, "did you mean 'weights'"),
        ({"monitor": "test_loss"}, "monitor='test_loss' without test data"),
        ({"micro_batch": 0}, "micro_batch=0"),
        ({"clip_norm": 0}, "clip_norm=0"),
        ({"clip_value": float("inf")}, "clip_value=inf"),
        ({"warmup": "soon"}, "warmup='soon' is not a duration"),
        ({"early_stop": 0}, "patience=0"),
        ({"optimizer": "adam", "momentum": 0.9}, "Adam has no momentum"),
    ],
)
def test_arguments_that_no_run_can_have(arguments, message):
    refused(message, **arguments)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "bce", nn.MSELoss()])
def test_targets_that_would_be_broadcast_are_refused(loss):
    refused(
        r"output has shape \(2, 1\) and the targets \(2,\)\n.*y\[:, None\]",
        model=nn.Linear(4, 1),
        train=(X, Y.astype(np.float32)),
        loss=loss,
    )


def test_targets_of_the_wrong_type_are_refused():
    refused(
        "the targets are torch.int64, and this loss wants floating-point",
        model=net(),
        train=(X, np.ones((12, 3), int)),
        loss="mse",
    )
    refused("the labels are torch.float32", train=(X, Y.astype(np.float64)))
    refused(r"float64 weights and got torch.float32 inputs\n.*model.float\(\)", model=net().double())
    refused("float32 weights and got torch.int64", train=(np.ones((12, 4), int), Y))


def test_probabilities_are_targets_too():
    soft = np.eye(3, dtype=np.float32)[Y]
    found = fit(net(), (X, soft), epochs=1, **PLAIN).history[0]["accuracy"]
    assert found == fit(net(), (X, Y), epochs=1, **PLAIN).history[0]["accuracy"]


def test_labels_that_are_ignored_may_lie_outside():
    labels = np.where(Y == 2, -100, Y)
    assert fit(net(), (X, labels), epochs=1, metrics=[], **PLAIN).steps == 1
    refused("label -100 of sample 2 is out of range", train=(X, labels), loss=nn.CrossEntropyLoss(ignore_index=-1))


def test_test_data_is_checked_before_training_too():
    refused("in the test data: label 5 of sample 11 is out of range", test=(X, np.where(np.arange(12) == 11, 5, Y)))
    refused(r"in the test data: layer '0' .* got \(N, 3\)", test=(X[:, :3], Y))
    refused(r"in the test data: the model's output has shape", test=(X, np.stack([Y, Y], 1)))
    refused("12 inputs but 3 targets", test=(X, Y[:3]))


def test_a_last_batch_of_one_sample_is_too_small_for_batchnorm():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    with pytest.raises(EngineError, match=r"BatchNorm got a single sample.*\n.*choose a batch_size"):
        fit(model, (X, Y), epochs=1, batch_size=11, **PLAIN)
    assert fit(model, (X, Y), epochs=1, batch_size=9, micro_batch=8, **PLAIN).steps == 2


def test_a_later_batch_of_another_shape_or_type_names_the_layer():
    def stream(later):
        yield X, Y
        yield later, Y

    for later, message in (
        (np.ones((12, 5), np.float32), r"layer '0' .*wants inputs of shape \(N, ..., 4\) and got \(N, 5\)"),
        (np.ones((12, 4), np.int64), "layer '0' .*float32 weights and got torch.int64"),
    ):
        with pytest.raises(EngineError, match=message):
            fit(net(), stream(later), epochs=1, **PLAIN)


def test_a_loss_that_needs_no_tensor_may_use_what_the_model_returns():
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            return {"logits": self.layer(x), "size": x.square().mean()}

    def loss(output, y):
        return nn.functional.cross_entropy(output["logits"], y) + 0 * output["size"]

    def right(output, y):
        return (output["logits"].argmax(1) == y).float().mean()

    result = fit(Pair(), (X, Y), (X, Y), epochs=30, loss=loss, metrics=right, lr=0.1, **PLAIN)
    assert result.history[-1]["test_right"] > 0.5
    refused("the model returned a dict", model=Pair())
