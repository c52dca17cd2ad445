"""Python inside graphs: functions that print, custom gradients, torch modules."""

from __future__ import annotations

import dlengine.numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine import symbol as sym

data = sym.Variable("data")


def test_a_python_function_in_a_graph_may_print_and_branch_and_has_gradients(capsys):
    @sym.node
    def watch(x):
        print("mean", float(x.detach().mean()))
        return x * 3 if x.sum() > 0 else x

    net = watch(sym.FullyConnected(data, num_hidden=2, name="fc"), name="watch").bind((1, 2))
    torch.nn.init.eye_(net.fc.weight)
    capsys.readouterr()
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    net(x).sum().backward()
    assert capsys.readouterr().out == "mean 1.5\n"
    assert torch.equal(x.grad, torch.full((1, 2), 3.0))
    assert torch.equal(net(-x), -x)


def test_the_same_function_runs_at_once_on_tensors():
    @sym.node
    def double(x, factor=2):
        return factor * x

    assert torch.equal(double(torch.ones(2)), torch.full((2,), 2.0))
    assert torch.equal(double(data, factor=4).bind((1, 2))(torch.ones(1, 2)), torch.full((1, 2), 4.0))


def test_a_given_shape_spares_the_trial_call():
    calls = []

    @sym.node(shape=lambda x, y: (x[0], y[1]))
    def product(x, y):
        calls.append(x.shape)
        return x @ y

    graph = product(data, sym.Variable("other"))
    assert graph.infer_shape((2, 3), (3, 4)).outputs == {"product0_output": (2, 4)}
    assert calls == []
    assert graph.bind((2, 3), (3, 4))(torch.ones(5, 3), torch.ones(3, 4)).shape == (5, 4)
    assert calls == [(5, 3)]


def test_a_function_of_arrays_with_its_own_gradient_works_in_graph_and_code():
    @np.primitive
    def cube(x):
        return np.array(np.asarray(x) ** 3)

    np.defvjp(cube, lambda ans, x: lambda g: 100 * g * x**2)
    node = sym.node(cube)
    net = node(data).bind((1, 2))
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    net(x).sum().backward()
    assert torch.equal(net(x), x**3)
    assert torch.equal(x.grad, 100 * x.detach() ** 2)
    assert np.allclose(np.grad(lambda x: cube(x).sum())(np.array([1.0, 2.0])), [100.0, 400.0])


def test_torch_functions_outside_of_the_table_are_held():
    net = torch.special.erfcx(data) + torch.nn.functional.threshold(data, 0.5, 0.0)
    x = torch.tensor([[0.2, 0.9]])
    wanted = torch.special.erfcx(x) + torch.nn.functional.threshold(x, 0.5, 0.0)
    assert torch.equal(net.bind((1, 2))(x), wanted)
    with pytest.raises(EngineError, match="which a file cannot hold"):
        sym.from_json(net.to_json())


def test_a_torch_module_is_copied_at_every_binding():
    layer = torch.nn.Bilinear(2, 3, 4)
    graph = sym.Module(layer, data, sym.Variable("other"), name="pair")
    assert graph.list_arguments() == ["data", "other", "pair.weight", "pair.bias"]
    first, second = graph.bind((1, 2), (1, 3)), graph.bind((1, 2), (1, 3))
    assert torch.equal(first.pair.weight, layer.weight)
    first.pair.weight.data.zero_()
    assert layer.weight.abs().sum() > 0
    assert second.pair.weight.abs().sum() > 0
    assert torch.equal(second(torch.ones(5, 2), torch.ones(5, 3)), layer(torch.ones(5, 2), torch.ones(5, 3)))


def test_a_failing_function_is_named():
    @sym.node
    def wrong(x):
        return x @ x

    with pytest.raises(EngineError, match=r"layer 'mine' \(Function\) got \(2, 3\).*python.py:\d+: return x @ x\)"):
        wrong(data, name="mine").bind((2, 3))
    net = wrong(data).bind((2, 2))
    with pytest.raises(RuntimeError, match="mat1 and mat2") as caught:
        net(torch.ones(2, 3))
    assert caught.traceback[-1].name == "wrong"


def test_an_exception_of_a_function_stays_what_it_is():
    @sym.node(shape=lambda x: x)
    def strict(x):
        assert x.min() >= 0, "negative"
        raise KeyError("mine")

    net = strict(data).bind((1, 2))
    with pytest.raises(AssertionError, match="negative"):
        net(-torch.ones(1, 2))
    with pytest.raises(KeyError, match="mine"):
        net(torch.ones(1, 2))
