"""A declarative network trains with one call."""

from __future__ import annotations

import dlengine
import pytest
import torch
from dlengine import symbol as sym


def points() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(256, 2, generator=torch.Generator().manual_seed(1))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def hidden(width: int = 16) -> sym.Symbol:
    x = sym.FullyConnected(sym.Variable("data"), num_hidden=width, name="fc1")
    return sym.Activation(x, act_type="tanh")


def test_a_symbol_trains_without_a_loss_and_without_shapes():
    net = sym.SoftmaxOutput(sym.FullyConnected(hidden(), num_hidden=2, name="fc2"))
    result = dlengine.fit(net, points(), points(), epochs=30, lr=0.2, progress=False)
    assert result.test_accuracy >= 0.97
    assert list(result.model.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    chances = result.model.predict(points()[0])
    assert torch.allclose(chances.sum(dim=1), torch.ones(256))


def test_a_bound_module_trains_as_the_symbol_does():
    net = sym.SoftmaxOutput(sym.FullyConnected(hidden(), num_hidden=2))
    x, y = points()
    options = {"epochs": 2, "progress": False}
    symbol, module = dlengine.fit(net, (x, y), **options), dlengine.fit(net.bind((1, 2)), (x, y), **options)
    assert symbol.history[-1]["loss"] == module.history[-1]["loss"]


@pytest.mark.parametrize("output", [sym.LinearRegressionOutput, sym.MAERegressionOutput])
def test_a_regression_learns_numbers_without_an_axis(output):
    x, _ = points()
    net = output(sym.FullyConnected(sym.Variable("data"), num_hidden=1))
    result = dlengine.fit(net, (x, 3 * x[:, 0] + 1), epochs=20, lr=0.05, schedule="cosine", progress=False)
    assert torch.allclose(result.model.predict(torch.tensor([[2.0, 5.0]])), torch.tensor([[7.0]]), atol=0.2)


def test_a_logistic_output_predicts_probabilities():
    x, _ = points()
    net = sym.LogisticRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=1))
    result = dlengine.fit(net, (x, (x[:, :1] > 0).long()), lr=0.5, progress=False)
    assert result.model.predict(torch.tensor([[3.0, 0.0]])) > 0.95
    assert result.model.predict(torch.tensor([[-3.0, 0.0]])) < 0.05


def test_a_regression_refuses_targets_of_another_shape():
    net = sym.LinearRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=3)).bind((4, 2))
    with pytest.raises(dlengine.EngineError, match=r"outputs have shape \(4, 3\) and the targets \(4,\)"):
        net.default_loss(net(torch.zeros(4, 2)), torch.zeros(4))
