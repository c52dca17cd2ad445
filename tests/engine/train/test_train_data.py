"""What fit reads from: streams, loaders, torch data sets, parts of arrays; and that a run over each resumes exactly."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from dlengine import Callback, EngineError, Stream, data, fit
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

torch.set_num_threads(1)
PLAIN = {"progress": False, "device": "cpu", "tune": "off"}
GENERATOR = np.random.default_rng(0)
Y = GENERATOR.integers(0, 3, 50)
X = (GENERATOR.normal(size=(50, 4)) + 2 * np.eye(4)[Y]).astype(np.float32)
TENSORS = TensorDataset(torch.tensor(X), torch.tensor(Y))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 3))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def batches():
    """Batches that draw from all global generators while they are made."""
    for begin in range(0, 50, 16):
        noise = random.random() + np.random.normal() + torch.randn(1).item()
        yield X[begin : begin + 16] + np.float32(0.01 * noise), Y[begin : begin + 16]


class Rows(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


class Stateful:
    """A source that knows where it is, and how many batches it read."""

    def __init__(self) -> None:
        self.place, self.read = 0, 0

    def __iter__(self):
        while self.place < 4:
            self.read += 1
            begin, self.place = 16 * self.place, self.place + 1
            yield X[begin : begin + 16], Y[begin : begin + 16]
        self.place = 0

    def state_dict(self):
        return {"place": self.place}

    def load_state_dict(self, state):
        self.place = state["place"]


SOURCES = {
    "arrays": lambda: (X, Y),
    "function": lambda: batches,
    "function of the epoch": lambda: lambda epoch: itertools.islice(itertools.cycle(batches()), epoch, epoch + 4),
    "stateful": Stateful,
    "iterable data set": Rows,
    "torch data set": lambda: TENSORS,
    "loader": lambda: DataLoader(TENSORS, batch_size=16, shuffle=True),
    "own loader": lambda: data.Loader(data.Dataset(X, Y), 16),
    "subset of a source": lambda: data.Dataset(X, Y),
}


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run):
        if run.position.step == self.step:
            run.stop()


@pytest.mark.parametrize("name", SOURCES)
def test_a_run_over_any_source_sees_all_and_resumes_exactly(name, tmp_path):
    arguments = {"epochs": 3, "batch_size": 16, "lr": 0.1, **PLAIN}
    if name == "subset of a source":
        arguments["test"] = 0.3
    straight = fit(net(), SOURCES[name](), **arguments)
    steps = 9 if "test" in arguments else 12
    assert (straight.epochs, straight.steps) == (3, steps)
    for stop in (2, 4):
        where = tmp_path / str(stop)
        fit(net(), SOURCES[name](), callbacks=[StopAt(stop)], checkpoint=where, **arguments)
        resumed = fit(net(), SOURCES[name](), checkpoint=where, **arguments)
        assert resumed.steps == steps
        assert torch.equal(weights(resumed.model), weights(straight.model))
        assert [row["loss"] for row in resumed.history][-1] == straight.history[-1]["loss"]


def test_a_source_with_a_state_is_not_read_again(tmp_path):
    arguments = {"epochs": 2, "checkpoint": tmp_path, **PLAIN}
    fit(net(), Stateful(), callbacks=[StopAt(2)], **arguments)
    again = Stateful()
    fit(net(), again, **arguments)
    assert again.read == 1 + 1 + 4  # a look before the start, what was left of the first epoch, the second


def test_a_function_that_yields_batches_trains_like_the_arrays_in_that_order():
    def in_order(epoch):
        order = np.random.default_rng((5, epoch)).permutation(50)
        for begin in range(0, 50, 16):
            yield X[order[begin : begin + 16]], Y[order[begin : begin + 16]]

    streamed = fit(net(), in_order, (X, Y), epochs=2, batch_size=16, seed=5, **PLAIN)
    indexed = fit(net(), (X, Y), (X, Y), epochs=2, batch_size=16, seed=5, **PLAIN)
    assert torch.equal(weights(streamed.model), weights(indexed.model))
    assert streamed.test_loss == indexed.test_loss


def test_what_a_stream_draws_does_not_depend_on_what_the_model_draws():
    seen = []

    def noisy():
        seen.append([random.random(), np.random.rand(), torch.rand(1).item()])
        yield X, Y

    for dropout in (0.1, 0.9):
        model = net()
        model[1].p = dropout
        fit(model, noisy, epochs=3, **PLAIN)
    assert seen[:3] == seen[3:]
    assert seen[0] != seen[1]


def test_a_stream_for_testing_is_seen_whole_after_every_epoch():
    result = fit(net(), (X, Y), data.Loader(data.Dataset(X, Y), 7), epochs=3, lr=1e-30, **PLAIN)
    arrays = fit(net(), (X, Y), (X, Y), epochs=3, lr=1e-30, **PLAIN)
    losses = [row["test_loss"] for row in result.history]
    assert losses == pytest.approx([row["test_loss"] for row in arrays.history], abs=1e-6)


def test_a_list_of_batches_is_a_stream_and_a_list_of_two_arrays_is_not():
    for source in (list(batches()), list(batches())[:2], [(X, Y)]):
        assert fit(net(), source, epochs=2, schedule="cosine", **PLAIN).steps == 2 * len(source)
    assert fit(net(), [X, Y], epochs=1, batch_size=10, **PLAIN).steps == 5


def test_a_loader_with_workers_resumes_exactly(tmp_path):
    def loader():
        return DataLoader(TENSORS, batch_size=16, shuffle=True, num_workers=1)

    straight = fit(net(), loader(), epochs=2, **PLAIN)
    fit(net(), loader(), epochs=2, callbacks=[StopAt(1)], checkpoint=tmp_path, **PLAIN)
    resumed = fit(net(), loader(), epochs=2, checkpoint=tmp_path, **PLAIN)
    assert torch.equal(weights(resumed.model), weights(straight.model))


def test_an_iterator_is_read_once():
    assert fit(net(), batches(), epochs=1, **PLAIN).steps == 4
    assert fit(net(), batches(), epochs="3ba", **PLAIN).steps == 3
    with pytest.raises(EngineError, match="epochs=2 would read it 2 times"):
        fit(net(), batches(), epochs=2, **PLAIN)
    with pytest.raises(EngineError, match="the iterator ended before epoch 2"):
        fit(net(), batches(), epochs="9ba", **PLAIN)
    with pytest.raises(EngineError, match="test data is an iterator"):
        fit(net(), (X, Y), batches(), **PLAIN)


def test_an_endless_stream_trains_for_steps_and_is_read_no_further():
    read = itertools.count()

    def endless():
        while True:
            next(read)
            yield X, Y

    result = fit(net(), endless, epochs="7ba", schedule="cosine", warmup="2ba", **PLAIN)
    assert (result.steps, next(read)) == (7, 7)


def test_schedules_need_to_know_the_length():
    with pytest.raises(EngineError, match="a schedule needs to know how far the run is"):
        fit(net(), batches, schedule="cosine", **PLAIN)
    rates = []

    class Watch(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.param_groups[0]["lr"])

    for source in (Stream(batches, length=4), DataLoader(TENSORS, batch_size=16)):
        rates.clear()
        fit(net(), source, epochs=2, lr=1.0, schedule="polynomial", callbacks=[Watch()], **PLAIN)
        assert rates == pytest.approx([1 - step / 8 for step in range(8)])


@pytest.mark.parametrize(("warmup", "expected"), [("1ep", 4), ("2ba", 2), (0.25, 2)])
def test_warm_up_may_be_given_in_epochs_steps_or_as_a_part(warmup, expected):
    rates = []

    class Watch(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.param_groups[0]["lr"])

    fit(net(), (X, Y), epochs=2, batch_size=16, lr=1.0, warmup=warmup, callbacks=[Watch()], **PLAIN)
    # A quarter of the run is 25 of 100 samples, not 2 of 8 steps: the last batch of an epoch is smaller.
    assert sum(rate < 1 for rate in rates) == expected


def test_a_part_of_the_data_is_held_out_the_same_for_the_same_seed():
    seen = []

    class Recorded(data.Dataset):
        def batch(self, indices):
            seen.append(sorted(int(index) for index in indices))
            return super().batch(indices)

    for seed in (1, 1, 2):
        fit(net(), Recorded(X, Y), 0.2, epochs=1, batch_size=99, seed=seed, **PLAIN)
    calls = len(seen) // 3
    trained, tested = seen[calls - 2], seen[calls - 1]
    assert (len(trained), len(tested)) == (40, 10)
    assert sorted(trained + tested) == list(range(50))
    assert seen[:calls] == seen[calls : 2 * calls] != seen[2 * calls :]


@pytest.mark.parametrize(
    ("train", "arguments", "message"),
    [
        (lambda: iter([]), {}, "training data is empty"),
        (lambda: iter([(X, Y, X)]), {}, "batch 0 is a tuple, not a pair"),
        (lambda: iter([X]), {}, "batch 0 is a ndarray, not a pair"),
        (lambda: iter([(X, Y[:9])]), {}, r"batch 0 has inputs \(50, 4\) and targets \(9,\)"),
        (lambda: iter([(X, Y), ("a", "b")]), {}, "inputs of type str cannot become a tensor"),
        (lambda: iter([(np.array(["a", "b"]), Y[:2])]), {}, "inputs of type <U1 cannot become a tensor"),
        (lambda: iter([(X, Y), (X, Y + 1)]), {}, "is out of range, with 3 classes"),
        ("folder", {}, "training data is a str"),
        (X, {}, "training data is a ndarray"),
        ((X, Y, X), {}, "training data is a tuple of 3"),
        (TensorDataset(torch.zeros(0, 4), torch.zeros(0)), {}, "training data is empty"),
        (batches, {"test": 0.2}, "test=0.2 of a stream"),
        ((X, Y), {"test": 0.001}, "test=0.001 of 50 samples"),
        ((X, Y), {"test": 1.5}, "test=1.5"),
        (batches, {"epochs": 3, "warmup": "2ba"}, "a schedule needs to know"),
        ((X, Y), {"epochs": 1, "warmup": "2ep"}, "the run must be longer"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(train, arguments, message):
    test = arguments.pop("test", None)
    with pytest.raises(EngineError, match=message):
        fit(net(), train, test, **{"epochs": 1, **PLAIN, **arguments})


def test_several_inputs_go_to_the_model_as_arguments_or_by_name():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, left, right):
            return self.layer(torch.cat([left, right], dim=1))

    for inputs in ((X[:, :2], X[:, 2:]), {"right": X[:, 2:], "left": X[:, :2]}):
        result = fit(Two(), lambda inputs=inputs: iter([(inputs, Y)] * 60), epochs=3, micro_batch=20, **PLAIN)
        assert result.history[-1]["accuracy"] > 0.7


def test_a_symbol_is_bound_to_the_data_and_brings_its_loss():
    from dlengine import symbol as sym

    found = sym.LinearRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=1))
    target = (X @ np.array([[1.0], [2], [3], [4]])).astype(np.float32)
    result = fit(found, (X, target), metrics="mae", epochs=60, batch_size=10, lr=0.03, **PLAIN)
    assert isinstance(result.model, nn.Module)
    assert result.history[-1]["mae"] < 0.1
