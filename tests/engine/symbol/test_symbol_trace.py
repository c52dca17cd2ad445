"""Imperative code becomes a graph with the same results, or says where it cannot."""

from __future__ import annotations

import dlengine.numpy as np
import pytest
import torch
from dlengine import EngineError, models
from dlengine import symbol as sym
from torch import nn
from torch.nn import functional


def same(module: nn.Module, x: torch.Tensor) -> sym.Symbol:
    """Traced, saved, loaded and bound again, with the module's weights: the same outputs and gradients."""
    graph = sym.from_json(sym.trace(module).to_json())
    net = graph.bind(tuple(x.shape))
    net.load_state_dict(module.state_dict())
    for training in (True, False):
        results = []
        for one in (module.train(training), net.train(training)):
            torch.manual_seed(1)
            one.zero_grad()
            output = one(x)
            output.square().mean().backward()
            results.append((output, [weight.grad for weight in one.parameters()]))
        (output, slopes), (output2, slopes2) = results
        assert torch.equal(output, output2)
        assert all(torch.equal(slope, slope2) for slope, slope2 in zip(slopes, slopes2, strict=True))
    return graph


LAYERS = [
    (nn.Linear(6, 3, bias=False), (2, 6)),
    (nn.Conv2d(2, 4, (3, 1), 2, (1, 0), 2, 2), (1, 2, 9, 9)),
    (nn.Conv1d(2, 4, 3), (1, 2, 9)),
    (nn.ConvTranspose2d(2, 3, 3, 2, 1, 1, bias=False), (1, 2, 4, 4)),
    (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (1, 2, 8, 8)),
    (nn.AvgPool2d(2, count_include_pad=False), (1, 2, 8, 8)),
    (nn.AdaptiveAvgPool2d((1, 1)), (1, 2, 8, 8)),
    (nn.BatchNorm2d(3, eps=1e-3), (4, 3, 2, 2)),
    (nn.BatchNorm1d(3, momentum=0.3), (4, 3)),
    (nn.LayerNorm((3, 4), eps=1e-3), (2, 3, 4)),
    (nn.LocalResponseNorm(3), (2, 6, 4, 4)),
    (nn.Dropout(0.25), (4, 9)),
    (nn.Flatten(), (2, 3, 4)),
    (nn.ReLU(), (2, 3)),
    (nn.GELU(), (2, 3)),
    (nn.Softplus(), (2, 3)),
    (nn.LeakyReLU(), (2, 3)),
    (nn.ELU(), (2, 3)),
    (nn.SiLU(), (2, 3)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_every_known_layer_is_recognised_and_exact(layer, shape):
    torch.manual_seed(0)
    x = torch.randn(shape).requires_grad_()
    graph = same(nn.Sequential(layer), x)
    assert graph.graph.nodes[-1].op not in ("Module", "Function")


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 4, 3, padding="same"),
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(2, dilation=2),
        nn.AdaptiveAvgPool2d(2),
        nn.LeakyReLU(0.3),
        nn.GELU(approximate="tanh"),
        nn.Softplus(beta=2),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, momentum=None),
        nn.GroupNorm(1, 2),
    ],
)
def test_a_layer_that_no_operator_describes_stays_itself(layer):
    model = nn.Sequential(layer).eval()
    x = torch.randn(3, 2, 6, 6)
    graph = sym.trace(model)
    assert graph.graph.nodes[-1].op == "Module"
    net = graph.bind((1, 2, 6, 6)).eval()
    assert torch.equal(net(x), model(x))
    assert list(net.state_dict()) == list(model.state_dict())
    assert all(net.state_dict()[name] is not value for name, value in model.state_dict().items())


class Residual(nn.Module):
    """Shared layers, functions, methods, a plain weight, an argument with a default, two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.relu = nn.ReLU()
        self.scale = nn.Parameter(torch.full((6,), 0.5))
        self.register_buffer("shift", torch.arange(6.0))

    def forward(self, x, power: int = 2):
        h = self.relu(self.fc(x))
        h = self.relu(self.fc(h)) * self.scale + self.shift
        left, right = h.chunk(2, dim=1)
        h = torch.stack([left, right.pow(power)]).mean(dim=0)
        return functional.softmax(h, dim=1).view(x.size(0), 1, -1).squeeze(1)


def test_a_module_with_shared_layers_and_own_weights_is_traced_exactly():
    torch.manual_seed(0)
    module, x = Residual(), torch.randn(3, 6)
    graph = sym.trace(module)
    net = graph.bind((1, 6))
    assert net.state_dict().keys() == module.state_dict().keys()
    net.load_state_dict(module.state_dict())
    assert torch.equal(net(x), module(x))
    net(x).sum().backward()
    assert module.scale.grad is None
    assert net.scale.grad is not None
    assert graph.summary((1, 6)).parameters == 48


def test_the_zoo_traces_to_operators_alone():
    for model in (models.mlp(), models.lenet(), models.lenet5(), models.inception_v1()):
        ops = {node.op for node in sym.trace(model).graph.nodes}
        assert not ops & {"Module", "Function"}


def test_a_whole_network_equals_its_trace():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)]
    same(nn.Sequential(*layers), torch.randn(2, 1, 6, 6))


def test_a_function_becomes_a_graph_with_its_arguments_as_variables():
    def compute(x, y, *, scale=2.0):
        return (x * scale).tanh() - y, x @ y.T

    graph = sym.trace(compute)
    assert graph.list_arguments() == ["x", "y"]
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    for one, two in zip(graph.bind((3, 4), (3, 4))(x, y), compute(x, y), strict=True):
        assert torch.equal(one, two)


def test_a_bound_graph_traces_back_to_itself():
    h = sym.TransformerBlock(sym.Variable("data"), width=8, num_heads=2, name="block")
    net = sym.SoftmaxOutput(sym.FullyConnected(h, num_hidden=3, name="fc"), name="softmax")
    again = sym.trace(net.bind((1, 5, 8)))
    assert again.list_arguments() == net.list_arguments()
    assert again.list_outputs() == net.list_outputs()


def test_weights_that_two_layers_share_are_refused_and_a_layer_with_two_names_is_not():
    with pytest.raises(EngineError, match=r"'tokens.weight' and 'head.weight' are one weight in two layers"):
        sym.trace(models.gpt(layers=1, heads=1, width=4, context=3, vocabulary=5))

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.second = self.first
            self.lstm = nn.LSTM(3, 2, batch_first=True)

        def forward(self, x):
            sequence, (state, _) = self.lstm(self.second(self.first(x)))
            return sequence[:, -1] + state[0]

    module, x = Twice(), torch.randn(2, 5, 3)
    net = sym.trace(module).bind((1, 5, 3))
    net.load_state_dict({name: value for name, value in module.state_dict().items() if "second" not in name})
    assert torch.equal(net(x), module(x))


def branch(x):
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            branch,
            r"branch cannot be traced: it decides by the value of a tensor \(.*test_symbol_trace.py:\d+: return x if",
        ),
        (lambda x: float(x), "not 'Proxy' .the argument is a stand-in"),
        (lambda *many: many[0], r"arguments such as \*many cannot be traced"),
        (lambda x: {"a": x}, "it returns a immutable_dict"),
        (lambda x: 3, "it returns a int"),
        (lambda x: x.grad, "attribute 'grad' cannot be traced"),
        (7, "a int cannot be traced"),
    ],
)
def test_what_cannot_be_traced_is_refused_with_the_line(target, message):
    with pytest.raises(EngineError, match=message):
        sym.trace(target)


def standardised(x):
    return (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5)


def perceptron(x, w, b):
    return np.tanh(standardised(x) @ w + b).sum(axis=1) * 2


def leaky(x):
    return np.where(x > 0, x, 0.1 * x) + np.arange(3, dtype="float32")


@pytest.mark.parametrize(
    ("function", "shapes"), [(standardised, [(4, 3)]), (perceptron, [(4, 3), (3, 2), (2,)]), (leaky, [(4, 3)])]
)
def test_a_function_of_arrays_is_traced_on_examples(function, shapes):
    torch.manual_seed(0)
    graph = sym.from_json(sym.trace(function, *[np.from_tensor(torch.randn(shape)) for shape in shapes]).to_json())
    net = graph.bind()
    first, *others = shapes
    arguments = [torch.randn(7, *first[1:]).requires_grad_(), *map(torch.randn, others)]
    wanted = function(*map(np.from_tensor, arguments))
    assert torch.equal(net(*arguments), wanted.tensor)
    slope = np.grad(lambda x: function(x, *map(np.from_tensor, arguments[1:])).sum())(np.from_tensor(arguments[0]))
    net(*arguments).sum().backward()
    assert torch.allclose(arguments[0].grad, slope.tensor, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, "data-dependent"),
        (lambda x: x.reshape(x.shape[0], -1), "would hold for 4 samples of 'x' only"),
    ],
)
def test_an_array_function_that_its_example_decides_is_refused(function, message):
    with pytest.raises(EngineError, match=message):
        sym.trace(function, np.ones((4, 2, 3)))


def test_array_functions_need_examples_and_modules_do_not():
    with pytest.raises(EngineError, match="need an example of each argument"):
        sym.trace(leaky)
    with pytest.raises(EngineError, match="traced without examples"):
        sym.trace(nn.ReLU(), torch.ones(1))


def test_an_axis_whose_size_was_taken_as_a_number_stays_fixed():
    graph = sym.trace(leaky, np.ones((4, 3), dtype="float32"))
    assert graph.bind((9, 3))(torch.zeros(2, 3)).shape == (2, 3)
    with pytest.raises(EngineError, match=r"'x' has shape \(4, 5\), and its graph holds for \(4, 3\) only"):
        graph.bind((4, 5))
