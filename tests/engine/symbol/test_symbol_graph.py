"""Graphs: names, arithmetic, composition, sharing, groups, and calls from imperative code."""

from __future__ import annotations

import copy
import pickle

import dlengine.numpy as np
import numpy
import pytest
import torch
from dlengine import EngineError
from dlengine import symbol as sym


def test_unnamed_layers_are_numbered_within_their_graph():
    def build() -> sym.Symbol:
        h = sym.FullyConnected(sym.Variable("data"), num_hidden=3)
        return sym.FullyConnected(sym.Activation(h, act_type="relu"), num_hidden=2)

    build()
    names = ["data", "fullyconnected0.weight", "fullyconnected0.bias", "fullyconnected1.weight", "fullyconnected1.bias"]
    assert build().list_arguments() == names
    assert build().list_outputs() == ["fullyconnected1_output"]


def test_an_own_name_is_not_taken_by_a_number():
    h = sym.FullyConnected(sym.Variable("data"), num_hidden=3)
    net = sym.FullyConnected(h, num_hidden=2, name="fullyconnected0")
    assert set(net.graph.names.values()) == {"data", "fullyconnected0", "fullyconnected1"}


def test_operators_functions_and_methods_work_on_symbols_as_on_tensors():
    def compute(a, b):
        c = torch.exp(a / 3) - 2 ** (-b) + (1 - a) * b / 2
        c = torch.cat([c, torch.clamp(b, min=0)], dim=1)
        c = c.reshape(c.shape[0], -1)[:, 1:].mean(dim=1, keepdim=True)
        return c @ torch.nn.functional.softmax(a, dim=1)[:1] > 0.1

    a, b = torch.randn(4, 3), torch.randn(4, 3)
    graph = compute(sym.Variable("a"), sym.Variable("b"))
    assert graph.list_arguments() == ["a", "b"]
    assert torch.equal(graph.bind((4, 3), (4, 3))(a, b), compute(a, b))


def test_a_graph_applied_to_symbols_is_a_larger_graph():
    layer = sym.Activation(sym.FullyConnected(sym.Variable("x"), num_hidden=3, name="fc"), act_type="tanh")
    other = sym.FullyConnected(sym.Variable("data"), num_hidden=7, name="below")
    net = layer(x=other)
    assert net.list_arguments() == ["data", "below.weight", "below.bias", "fc.weight", "fc.bias"]
    assert layer.list_arguments() == ["x", "fc.weight", "fc.bias"]
    assert layer(other).to_json() == net.to_json()


def test_a_shared_layer_has_one_set_of_weights():
    left, right = sym.Variable("left"), sym.Variable("right")
    one = sym.FullyConnected(left, num_hidden=4, name="fc")
    two = sym.FullyConnected(right, num_hidden=4, name="again", layer="fc")
    net = (one - two).bind((2, 3), (2, 3))
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    data = torch.randn(2, 3)
    assert torch.equal(net(data, data), torch.zeros(2, 4))
    assert (one - two).list_arguments() == ["left", "right", "fc.weight", "fc.bias"]
    assert (one - two).summary((2, 3), (2, 3)).parameters == 16


def test_shared_layers_must_be_the_same():
    data = sym.Variable("data")
    one = sym.FullyConnected(data, num_hidden=4, name="fc")
    two = sym.FullyConnected(data, num_hidden=5, name="other", layer="fc")
    with pytest.raises(EngineError, match="share the weights 'fc' but differ"):
        sym.Group(one, two).infer_shape((2, 3))


def test_inner_outputs_are_found_by_name():
    net = sym.FullyConnected(sym.Activation(sym.Variable("data"), act_type="relu", name="act"), num_hidden=2)
    features = net.internals()["act"]
    assert features.list_outputs() == ["act_output"]
    assert torch.equal(features.bind((1, 3))(torch.tensor([[-1.0, 2.0, 0.0]])), torch.tensor([[0.0, 2.0, 0.0]]))
    with pytest.raises(EngineError, match="unknown output 'akt'"):
        net.internals()["akt"]


def test_a_group_computes_all_outputs_and_adds_their_losses():
    data = sym.Variable("data")
    digits = sym.SoftmaxOutput(sym.FullyConnected(data, num_hidden=3), name="kind")
    number = sym.LinearRegressionOutput(sym.FullyConnected(data, num_hidden=1), grad_scale=0.5, name="number")
    both = sym.Group(digits, number)
    net = both.bind((4, 6))
    assert both.list_outputs() == ["kind_output", "number_output"]
    x, kinds, numbers = torch.randn(4, 6), torch.tensor([0, 2, 1, 1]), torch.randn(4)
    scores, guesses = net(x)
    wanted = torch.nn.functional.cross_entropy(scores, kinds) + 0.5 * (guesses[:, 0] - numbers).square().mean()
    assert torch.allclose(net.default_loss((scores, guesses), (kinds, numbers)), wanted)
    chances, plain = net.predict(x)
    assert torch.allclose(chances, scores.softmax(dim=1))
    assert torch.equal(plain, guesses)


def test_parts_of_a_split_are_separate_outputs():
    first, second = sym.Split(sym.Variable("data"), num_outputs=2)
    net = (first * second).bind((2, 4))
    assert torch.equal(net(torch.tensor([[1.0, 2.0, 3.0, 4.0]])), torch.tensor([[3.0, 8.0]]))


def test_initial_weights_follow_from_the_seed_and_are_those_of_the_zoo():
    from dlengine import models

    net = sym.trace(models.lenet(seed=4))
    before = torch.get_rng_state()
    first, same, other = (net.bind((1, 1, 28, 28), seed=seed) for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in models.lenet(seed=4).state_dict().items():
        assert torch.equal(weight, first.state_dict()[name])
        assert torch.equal(weight, same.state_dict()[name])
    assert not torch.equal(first.fc1.weight, other.fc1.weight)


def test_weights_may_be_initialised_in_another_way():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3)
    ones = net.bind((1, 2), init=lambda module: torch.nn.init.ones_(module.weight))
    assert torch.equal(ones.fullyconnected0.weight, torch.ones(3, 2))
    assert net.bind((1, 2), init="kaiming").fullyconnected0.weight.std() < 0.1
    with pytest.raises(EngineError, match="unknown initializer 'xavir'"):
        net.bind((1, 2), init="xavir")
    torch.manual_seed(0)
    plain = net.bind((1, 2), init=None, seed=None)
    torch.manual_seed(0)
    assert torch.equal(plain.fullyconnected0.weight, torch.nn.Linear(2, 3).weight)


def test_a_network_takes_arrays_and_gives_arrays():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=2).bind((1, 3))
    given = np.ones((4, 3), dtype="float32")
    result = net(given)
    assert isinstance(result, np.ndarray)
    assert torch.equal(result.tensor, net(torch.ones(4, 3)))
    slope = np.grad(lambda x: net(x).sum())(given)
    assert np.allclose(slope, np.from_tensor(net.fullyconnected0.weight.detach().sum(dim=0)))


def test_a_network_can_be_copied_and_compiled_and_kept_on_the_meta_device():
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=2)).bind((1, 3))
    twin = copy.deepcopy(net)
    twin.fullyconnected0.weight.data.zero_()
    assert net.fullyconnected0.weight.abs().sum() > 0
    assert isinstance(twin.default_loss, torch.nn.CrossEntropyLoss)
    x = torch.randn(2, 3)
    assert torch.equal(torch.compile(net, backend="eager")(x), net(x))
    meta = sym.FullyConnected(sym.Variable("data"), num_hidden=2).bind((1, 3), device="meta")
    assert all(weight.is_meta for weight in meta.parameters())


def test_variables_may_carry_shape_and_type():
    data = sym.Variable("data", shape=(2, 3), dtype=torch.float64)
    net = (data * 2).bind()
    assert net(torch.ones(5, 3, dtype=torch.float64)).dtype == torch.float64
    assert (data * 2).infer_shape().outputs == {"mul0_output": (2, 3)}


def test_arrays_in_expressions_become_buffers():
    data = sym.Variable("data")
    weights, offset = torch.tensor([1.0, 2.0]), numpy.ones(2, dtype="float32")
    net = (weights * data + offset * data - data * weights).bind((1, 2))
    assert torch.equal(net(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]))
    assert list(net.state_dict()) == ["parameter0", "parameter1", "parameter2"]
    assert list(net.parameters()) == []


def test_a_network_survives_pickling():
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=2)).bind((1, 3))
    again = pickle.loads(pickle.dumps(net))
    x = torch.randn(2, 3)
    assert torch.equal(again(x), net(x))
    assert isinstance(again.default_loss, torch.nn.CrossEntropyLoss)


def test_a_graph_may_be_deeper_than_python_recursion():
    x = sym.Variable("data")
    for _ in range(1200):
        x = x + 1
    assert repr(x)
    assert repr(x.entry[0])
    assert len(sym.from_json(x.to_json()).graph.nodes) == 1201
    assert x.infer_shape((1, 2)).outputs == {"add1199_output": (1, 2)}
