"""compile: the same numbers from a captured form, or from the original where that is impossible."""

from __future__ import annotations

import warnings

import dlengine
import dlengine.numpy as np
import pytest
import torch
from dlengine import models
from dlengine import symbol as sym
from dlengine.symbol.compiled import CompileWarning
from torch import nn


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        yield


def gate(x, y, scale=2.0, kind="plain"):
    if kind == "other":
        return x
    return torch.exp(x * scale) + torch.exp(x * scale) * y


def test_a_function_is_captured_without_what_is_computed_twice():
    compiled = dlengine.compile(gate)
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.equal(compiled(x, y), gate(x, y))
    assert compiled.form == "fx"
    assert compiled.code.count("torch.exp") == 1
    assert torch.equal(compiled(x, y=y, scale=3.0), gate(x, y, 3.0))
    assert torch.equal(compiled(x[:1], y[:1]), gate(x[:1], y[:1]))
    assert torch.equal(compiled(x, y, kind="other"), x)


def test_a_module_keeps_its_weights_mode_and_buffers():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
    compiled = dlengine.compile(module)
    x = torch.randn(8, 4)
    twin = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
    twin.load_state_dict(module.state_dict())
    for training in (True, False, True):
        module.train(training)
        twin.train(training)
        outputs = []
        for one in (compiled, twin):
            torch.manual_seed(1)
            outputs.append(one(x))
        assert torch.equal(*outputs)
    assert compiled.form == "fx"
    assert torch.equal(module[1].running_mean, twin[1].running_mean)
    module[0].weight.data.zero_()
    module[0].bias.data.zero_()
    module.eval()
    assert torch.equal(compiled(x)[0], compiled(x)[1])
    compiled(x).sum().backward()
    assert module[3].weight.grad is not None


def test_a_mode_that_the_code_itself_asks_for_is_followed():
    model = models.gpt(layers=1, heads=2, width=8, context=6, vocabulary=5, dropout=0.5)
    compiled = dlengine.compile(model)
    tokens = torch.tensor([[1, 2, 3, 4]])
    for training in (True, False):
        model.train(training)
        torch.manual_seed(0)
        wanted = model(tokens)
        torch.manual_seed(0)
        assert torch.equal(compiled(tokens), wanted)


def test_a_symbol_gets_weights_for_the_shapes_of_its_first_call():
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3))
    compiled = dlengine.compile(net)
    assert compiled.module is None
    x = torch.randn(5, 7)
    assert torch.equal(compiled(x), net.bind((5, 7))(x))
    assert torch.equal(compiled(x[:2]), compiled.module(x[:2]))
    given = np.from_tensor(x)
    assert isinstance(compiled(given), np.ndarray)


def test_what_cannot_be_captured_runs_as_it_is_and_says_so():
    def branch(x):
        return x if x.sum() > 0 else -x

    compiled = dlengine.compile(branch)
    with pytest.warns(CompileWarning, match="decides by the value of a tensor"):
        assert torch.equal(compiled(torch.tensor([-1.0])), torch.tensor([1.0]))
    assert compiled.form == "eager"
    assert "decides by the value" in repr(compiled)
    assert torch.equal(compiled(torch.tensor([2.0])), torch.tensor([2.0]))
    several = dlengine.compile(lambda parts: parts[0] + parts[1])
    with pytest.warns(CompileWarning, match="'parts' is a list"):
        assert several([torch.ones(1), torch.ones(1)]) == 2


def test_shapes_in_the_code_are_followed_or_not_captured():
    compiled = dlengine.compile(lambda x: x.reshape(x.shape[0], -1) / x.shape[1])
    for shape in ((2, 3, 4), (5, 2, 2)):
        x = torch.randn(shape)
        assert torch.equal(compiled(x), x.reshape(x.shape[0], -1) / x.shape[1])
    assert compiled.form == "fx"


def test_nothing_is_merged_where_order_matters():
    def noisy(x):
        return torch.rand_like(x) - torch.rand_like(x)

    def in_place(x):
        y = x * 1
        before = y + 1
        y.add_(5)
        return before - (y + 1)

    x = torch.zeros(4)
    assert not torch.equal(dlengine.compile(noisy)(x), x)
    assert torch.equal(dlengine.compile(in_place)(x), torch.full((4,), -5.0))
    first, second = dlengine.compile(lambda x: (x + 1, x + 1))(x)
    first += 1
    assert torch.equal(second, torch.ones(4))


class Overwrites(nn.Module):
    """The same expression before and after its input is overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = x * 1
        before = y * 2
        self.relu(y)
        return before - y * 2


def test_a_layer_that_works_in_place_keeps_its_place():
    x = torch.tensor([-1.0, 2.0])
    assert torch.equal(dlengine.compile(Overwrites())(x), torch.tensor([-2.0, 0.0]))


def test_functions_of_arrays_stay_functions_of_arrays():
    compiled = dlengine.compile(lambda x: np.tanh(x) + 1)
    x = np.array([0.5, 1.0])
    assert isinstance(compiled(x), np.ndarray)
    assert np.allclose(compiled(x), np.tanh(x) + 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dlengine.compile(3), "a int cannot be compiled"),
        (lambda: dlengine.compile(gate, backend="xla"), "unknown backend 'xla'"),
    ],
)
def test_what_is_no_target_is_refused(call, message):
    with pytest.raises(dlengine.EngineError, match=message):
        call()


def test_wrong_arguments_are_refused_as_python_does():
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        dlengine.compile(gate)(torch.zeros(1))


def test_a_form_that_the_generator_gets_wrong_is_not_taken(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda run: lambda *args: run(*args) * 1.1)
    compiled = dlengine.compile(gate, backend="inductor")
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.equal(compiled(x, y), gate(x, y))
    assert compiled.form == "fx"
    assert compiled.reason == "the form that torch.compile made differs"

    def broken(run):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    compiled = dlengine.compile(gate, backend="inductor")
    assert torch.equal(compiled(x, y), gate(x, y))
    assert (compiled.form, compiled.reason) == ("fx", "torch.compile failed: no compiler")


def test_trying_a_generator_changes_neither_buffers_nor_chance(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda run: run)
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    twin = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    x = torch.randn(6, 3)
    torch.manual_seed(0)
    wanted = twin(x)
    torch.manual_seed(0)
    assert torch.equal(dlengine.compile(module, backend="inductor")(x), wanted)
    assert torch.equal(module[0].running_mean, twin[0].running_mean)


@pytest.mark.slow
def test_generated_code_is_measured_and_equal_within_the_tolerance():
    def shape(x):
        return torch.tanh(x) * torch.sigmoid(x) + torch.exp(-x * x) / (1 + x.abs())

    compiled = dlengine.compile(shape)
    x = torch.randn(1200, 1000)
    assert torch.allclose(compiled(x), shape(x), rtol=1e-4, atol=1e-5)
    assert "times as fast" in compiled.reason
    assert compiled.form == ("inductor" if float(compiled.reason.split(" times")[0].split()[-1]) > 1 / 0.95 else "fx")
    arrays = dlengine.compile(lambda x: np.tanh(x) * 2 + np.sin(x))
    assert np.allclose(arrays(np.from_tensor(x)), np.tanh(np.from_tensor(x)) * 2 + np.sin(np.from_tensor(x)), atol=1e-5)
