"""Whatever the settings and wherever a run is stopped: resumed, it ends where the other one ends, bit for bit."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from dlengine import Callback, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
Y = np.arange(41) % 3
X = (np.random.default_rng(0).normal(size=(41, 4)) + 2 * np.eye(4)[Y]).astype(np.float32)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Tanh(), nn.Linear(6, 3))


def batches(epoch):
    order = torch.randperm(41)
    for begin in range(0, 41, 9):
        yield X[order[begin : begin + 9]] + torch.randn(1).item() / 100, Y[order[begin : begin + 9]]


SOURCES = {
    "arrays": lambda: (X, Y),
    "stream": lambda: batches,
    "loader": lambda: DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=9, shuffle=True),
}


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run):
        if run.position.step >= self.step:
            run.stop()


@settings(max_examples=10, deadline=None)
@given(
    source=st.sampled_from(sorted(SOURCES)),
    stops=st.lists(st.integers(1, 14), max_size=3),
    arguments=st.fixed_dictionaries(
        {
            "epochs": st.sampled_from(["3ep", "13ba"]),
            "optimizer": st.sampled_from(["nesterov", "adamw", "lamb", "lars", "muon", "rmsprop"]),
            "precision": st.sampled_from(["float32", "bf16", "fp16"]),
            "micro_batch": st.sampled_from([None, 4, 5]),
            "clip_norm": st.sampled_from([None, 0.5]),
            "decay": st.sampled_from(["all", "weights"]),
            "early_stop": st.sampled_from([None, 1]),
            "metrics": st.sampled_from([None, ["f1", "top-2"]]),
            "tune": st.sampled_from(["auto", "off"]),
        }
    ),
    schedule=st.sampled_from([{}, {"schedule": "wsd", "warmup": 0.2}, {"schedule": "step"}]),
)
def test_any_run_that_was_stopped_and_resumed_equals_one_that_was_not(source, stops, arguments, schedule):
    if source != "stream" or arguments["epochs"] == "13ba":
        arguments |= schedule
    arguments |= {"batch_size": 9, "weight_decay": 0.01, "progress": False, "device": "cpu", "seed": 3}
    straight = fit(net(), SOURCES[source](), (X, Y), **arguments)
    with tempfile.TemporaryDirectory() as where:
        for stop in sorted(stops):
            fit(net(), SOURCES[source](), (X, Y), checkpoint=where, callbacks=[StopAt(stop)], **arguments)
        resumed = fit(net(), SOURCES[source](), (X, Y), checkpoint=where, **arguments)
    for ours, theirs in zip(resumed.model.state_dict().values(), straight.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert resumed.history[-1]["test_loss"] == straight.history[-1]["test_loss"]
