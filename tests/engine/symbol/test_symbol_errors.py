"""What a user can get wrong is said with the layer's name, the shapes, and what to do."""

from __future__ import annotations

import pytest
import torch
from dlengine import EngineError
from dlengine import symbol as sym

data = sym.Variable("data")


def refused(message: str, call) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        call()
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("symbol", "shape", "message"),
    [
        (
            sym.Convolution(data, num_filter=2, kernel=3, name="c"),
            (1, 28, 28),
            r"layer 'c' \(Convolution\) got \(1, 28, 28\)",
        ),
        (sym.Convolution(data, num_filter=2, kernel=5, name="c"), (1, 1, 3, 3), r"layer 'c'.*\(1, 1, 3, 3\).*5 x 5"),
        (sym.Convolution(data, num_filter=3, kernel=1, num_group=2, name="c"), (1, 4, 3, 3), "split into 2 groups"),
        (sym.Convolution(data, num_filter=3, kernel=3, stride=(1, 2, 3)), (1, 4, 9, 9), "another number of axes"),
        (sym.Reshape(data, shape=(0, 7)), (2, 3, 4), r"got \(2, 3, 4\): 24 numbers do not fit into shape=\(0, 7\)"),
        (sym.Reshape(data, shape=(-1, -1)), (2, 3), "not possible"),
        (sym.Split(data, num_outputs=2), (2, 3), "an axis of 3 cannot be split into 2"),
        (sym.MultiHeadAttention(data, num_heads=3), (2, 5, 4), "a width of 4 cannot be split over 3 heads"),
        (sym.RNN(data, state_size=3), (2, 5), "wants inputs of shape"),
        (sym.FullyConnected(data, num_hidden=3), (2,), "no axis beside the batch"),
        (sym.FullyConnected(sym.Split(data, num_outputs=1).shape, num_hidden=3), (2, 2), "an input is a Size"),
        (sym.BatchNorm(data), (2, 3, 1, 1, 1, 1), "wrong number of axes"),
    ],
)
def test_a_layer_that_cannot_take_its_input_is_named(symbol, shape, message):
    refused(message, lambda: symbol.infer_shape(shape))
    refused(message, lambda: symbol.bind(shape))


def test_two_inputs_that_do_not_fit_are_both_shown():
    other = sym.Variable("other")
    refused(
        r"layer 'add0' \(add\) got \(2, 3\) and \(2, 4\)",
        lambda: (data + other).infer_shape(data=(2, 3), other=(2, 4)),
    )
    refused(
        r"layer 'cat' \(Concat\) got \(2, 3, 4\) and \(2, 3, 5\)",
        lambda: sym.Concat(data, other, name="cat").infer_shape((2, 3, 4), (2, 3, 5)),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sym.FullyConnected(data), "FullyConnected: num_hidden is missing"),
        (lambda: sym.FullyConnected(data, hidden=3), "unknown parameter 'hidden'\n.*did you mean 'num_hidden'"),
        (lambda: sym.FullyConnected(data, num_hidden=0, name="fc"), r"layer 'fc' \(FullyConnected\): num_hidden=0"),
        (lambda: sym.FullyConnected(data, num_hidden=2.5), "num_hidden is a whole number"),
        (lambda: sym.FullyConnected(data, num_hidden=True), "num_hidden=True"),
        (lambda: sym.FullyConnected(data, num_hidden=3, no_bias=1), "no_bias is True or False"),
        (lambda: sym.Convolution(data, num_filter=1, kernel=(1, 2, 3, 4)), "kernel is a whole number"),
        (lambda: sym.Dropout(data, p=1.5), "p is a number, at least 0 and below 1"),
        (lambda: sym.LRN(data, nsize=5, alpha=float("nan")), "alpha is a finite number"),
        (lambda: sym.FullyConnected(torch.zeros(2, 2), num_hidden=3), "an input is a Tensor"),
        (lambda: sym.FullyConnected(data, data, num_hidden=3), "it has 2 inputs and takes 1"),
        (lambda: sym.Concat(), "it has 0 inputs and takes at least 1"),
        (lambda: sym.FullyConnected(data, num_hidden=3, name="my layer"), "cannot be called 'my layer'"),
        (lambda: sym.Variable(3), "a variable is called 3"),
        (lambda: sym.Group(), "a group of nothing"),
        (lambda: sym.FullyConnected(sym.Split(data, num_outputs=2), num_hidden=3), "a group of 2 outputs"),
        (lambda: sym.Module(3, data), "Module got a int"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_where_they_are_written(call, message):
    refused(message, call)


@pytest.mark.parametrize(
    ("act", "message"), [("rely", "unknown act_type 'rely'\n.*did you mean 'relu'"), ("", "unknown act_type")]
)
def test_an_unknown_activation_is_named(act, message):
    refused(message, lambda: sym.Activation(data, act_type=act).infer_shape((2, 3)))


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda net: net.bind(), "the shape of 'data' is not known\n.*data="),
        (lambda net: net.bind(date=(1, 2)), "a shape for 'date', which is no input"),
        (lambda net: net.bind((1, 2), (1, 2)), "2 shapes for 1 inputs"),
        (lambda net: net.bind((0, 2)), r"data=\(0, 2\) is no shape"),
        (lambda net: net.bind(7), "data=7 is no shape"),
        (lambda net: net.bind(()), r"data=\(\) is no shape"),
        (lambda net: net(torch.zeros(2, 3)), "a symbol holds no weights.*\n.*bind it first"),
        (lambda net: net(data, data), "2 symbols for 1 variables"),
        (lambda net: net(dada=data), "unknown variable 'dada'"),
    ],
)
def test_shapes_and_inputs_that_do_not_belong_are_refused(give, message):
    refused(message, lambda: give(sym.FullyConnected(data, num_hidden=2)))


def test_names_must_be_different_and_free():
    twice = sym.FullyConnected(sym.FullyConnected(data, num_hidden=2, name="fc"), num_hidden=2, name="fc")
    refused("two parts of the graph are called 'fc'", lambda: twice.bind((1, 2)))
    refused("two parts", lambda: (sym.Variable("a") + sym.Variable("a")).list_arguments())
    taken = sym.FullyConnected(data, num_hidden=2, name="forward")
    refused("a layer cannot be called 'forward'", lambda: taken.bind((1, 2)))
    inside = sym.FullyConnected(sym.FullyConnected(data, num_hidden=2, name="a"), num_hidden=2, name="a.b")
    refused("lie inside each other", lambda: inside.bind((1, 2)))


def test_a_bound_network_names_the_layer_that_cannot_take_a_batch():
    net = sym.FullyConnected(sym.Activation(data, act_type="relu"), num_hidden=2, name="fc").bind((1, 3))
    refused(r"layer 'fc' got \(5, 4\)", lambda: net(torch.zeros(5, 4)))
    refused("layer 'fc'", lambda: net(torch.zeros(5, 3, dtype=torch.long)))
    both = (data + sym.Variable("other")).bind((2, 3), (2, 3))
    refused(r"layer 'add' got \(2, 3\) and \(2, 4\)", lambda: both(torch.zeros(2, 3), torch.zeros(2, 4)))


def test_a_group_without_all_targets_is_refused():
    heads = sym.Group(sym.LinearRegressionOutput(data, name="a"), sym.LinearRegressionOutput(data, name="b"))
    net = heads.bind((2, 1))
    refused("2 outputs and 1 targets", lambda: net.default_loss(net(torch.zeros(2, 1)), (torch.zeros(2),)))
