"""Every operator is the torch layer that it names, with the shapes and weights that were inferred."""

from __future__ import annotations

import pytest
import torch
from dlengine import EngineError
from dlengine import symbol as sym
from dlengine.symbol.registry import OPERATORS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

x = sym.Variable("x")
CASES = {
    "FullyConnected": (sym.FullyConnected(x, num_hidden=5), (2, 3, 4)),
    "FullyConnected without flatten": (sym.FullyConnected(x, num_hidden=5, flatten=False, no_bias=True), (2, 3, 4)),
    "Convolution": (sym.Convolution(x, num_filter=4, kernel=(3, 2), stride=2, pad=1, num_group=2), (2, 6, 9, 8)),
    "Convolution over time": (sym.Convolution(x, num_filter=4, kernel=(3,), dilate=(2,), no_bias=True), (2, 6, 9)),
    "Convolution of volumes": (sym.Convolution(x, num_filter=2, kernel=(2, 2, 2)), (1, 3, 4, 4, 4)),
    "Deconvolution": (sym.Deconvolution(x, num_filter=3, kernel=4, stride=2, pad=1, adj=1), (2, 5, 4, 4)),
    "Pooling": (sym.Pooling(x, kernel=3, stride=2, pad=1, pooling_convention="full"), (2, 3, 8, 8)),
    "Pooling of means": (sym.Pooling(x, kernel=2, pool_type="avg", count_include_pad=False, pad=1), (2, 3, 5, 5)),
    "Pooling of everything": (sym.Pooling(x, global_pool=True, pool_type="avg"), (2, 3, 5, 5)),
    "Activation": (sym.Activation(x, act_type="softrelu"), (2, 3)),
    "BatchNorm": (sym.BatchNorm(x), (2, 3, 4, 4)),
    "LayerNorm": (sym.LayerNorm(x, axes=2), (2, 3, 4)),
    "LRN": (sym.LRN(x, nsize=3), (2, 6, 4, 4)),
    "Dropout": (sym.Dropout(x, p=0.3), (2, 3)),
    "Embedding": (sym.Embedding(x, input_dim=7, output_dim=3), (2, 4)),
    "Concat": (sym.Concat(x, x, dim=-1), (2, 3)),
    "Flatten": (sym.Flatten(x), (2, 3, 4)),
    "Reshape": (sym.Reshape(x, shape=(0, -1, 2)), (2, 3, 4)),
    "Transpose": (sym.Transpose(x, axes=(0, 2, 1)), (2, 3, 4)),
    "UpSampling": (sym.UpSampling(x, scale=2, sample_type="bilinear"), (2, 3, 4, 4)),
    "Split": (sym.Split(x, num_outputs=2), (2, 6, 3)),
    "RNN": (sym.RNN(x, state_size=4, mode="rnn_relu", bidirectional=True, num_layers=2), (2, 5, 3)),
    "RNN with states": (sym.LSTM(x, state_size=4, state_outputs=True), (2, 5, 3)),
    "RNN of gates": (sym.GRU(x, state_size=4, state_outputs=True), (2, 5, 3)),
    "MultiHeadAttention": (sym.MultiHeadAttention(x, num_heads=2, causal=True), (2, 5, 4)),
    "SoftmaxOutput": (sym.SoftmaxOutput(x), (2, 3)),
    "LinearRegressionOutput": (sym.LinearRegressionOutput(x), (2, 3)),
    "MAERegressionOutput": (sym.MAERegressionOutput(x), (2, 3)),
    "LogisticRegressionOutput": (sym.LogisticRegressionOutput(x), (2, 3)),
}


def test_every_operator_is_among_the_cases():
    assert OPERATORS.keys() == {name.split()[0] for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_inferred_shapes_and_names_are_those_of_a_run(name):
    symbol, shape = CASES[name]
    inferred = symbol.infer_shape(shape)
    module = symbol.bind(shape).eval()
    weights = {name: tuple(value.shape) for name, value in module.named_parameters()}
    states = {name: tuple(value.shape) for name, value in module.named_buffers()}
    assert list(inferred.arguments) == symbol.list_arguments() == ["x", *weights]
    assert inferred.arguments == {"x": shape, **weights}
    assert list(inferred.auxiliary) == symbol.list_auxiliary_states()
    assert inferred.auxiliary == states
    batch = torch.zeros(5, *shape[1:], dtype=torch.long if name == "Embedding" else torch.float32)
    outputs = module(batch)  # another batch size than it was bound for
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    found = [tuple(output.shape) for output in outputs]
    wanted = list(symbol.infer_shape(tuple(batch.shape)).outputs.values())
    assert found == wanted
    assert len(inferred.outputs) == len(found)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.integers(1, 4),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    pad=st.integers(0, 2),
    kind=st.sampled_from(["conv", "deconv", "max", "avg"]),
    convention=st.sampled_from(["valid", "full"]),
)
def test_windows_are_inferred_as_torch_computes_them(size, channels, kernel, stride, pad, kind, convention):
    options = {"kernel": kernel, "stride": stride, "pad": pad}
    if kind in ("conv", "deconv"):
        make = sym.Convolution if kind == "conv" else sym.Deconvolution
        symbol = make(sym.Variable("x"), num_filter=2, **options)
        real = functional.conv2d if kind == "conv" else functional.conv_transpose2d
        weight = torch.zeros(2, channels, *kernel) if kind == "conv" else torch.zeros(channels, 2, *kernel)
        run = lambda data: real(data, weight, stride=stride, padding=pad)  # noqa: E731
    else:
        symbol = sym.Pooling(sym.Variable("x"), pool_type=kind, pooling_convention=convention, **options)
        real = functional.max_pool2d if kind == "max" else functional.avg_pool2d
        run = lambda data: real(data, kernel, stride, pad, ceil_mode=convention == "full")  # noqa: E731
    shape = (2, channels, *size)
    try:
        wanted = tuple(run(torch.zeros(shape)).shape)
    except RuntimeError:
        with pytest.raises(EngineError, match=r"layer '\w+' \(\w+\) got \(2, "):
            symbol.infer_shape(shape)
        return
    (found,) = symbol.infer_shape(shape).outputs.values()
    assert found == wanted


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_reshape_keeps_the_batch_open_and_the_numbers_in_order(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    wanted = [0, *data.draw(st.permutations(shape[1:]))]
    if data.draw(st.booleans()):
        wanted[-1] = -1
    module = sym.Reshape(sym.Variable("x"), shape=wanted).bind(tuple(shape))
    batch = torch.arange(3 * torch.Size(shape[1:]).numel()).reshape(3, *shape[1:])
    result = module(batch)
    assert result.shape[0] == 3
    assert torch.equal(result.flatten(), batch.flatten())


class ByHand(nn.Module):
    """The same network as `declared`, written in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8, eps=1e-3, momentum=0.2)
        self.left, self.right = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 5, padding=2)
        self.gru = nn.GRU(8, 6, batch_first=True)
        self.fc = nn.Linear(16 * 6, 5)

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.norm(self.conv(data)))
        h = torch.cat([self.left(h), functional.gelu(self.right(functional.max_pool2d(h, 3, 1, 1)))], dim=1)
        h, _ = self.gru(h.flatten(2).transpose(1, 2))
        return self.fc((2 * h - 1).flatten(1))


def declared() -> sym.Symbol:
    h = sym.BatchNorm(
        sym.Convolution(sym.Variable("data"), num_filter=8, kernel=3, stride=2, pad=1, name="conv"),
        eps=1e-3,
        momentum=0.8,
        name="norm",
    )
    h = sym.Activation(h, act_type="relu")
    right = sym.Convolution(sym.Pooling(h, kernel=3, pad=1), num_filter=4, kernel=5, pad=2, name="right")
    h = sym.Concat(sym.Convolution(h, num_filter=4, kernel=1, name="left"), sym.Activation(right, act_type="gelu"))
    h = sym.GRU(sym.Transpose(sym.Reshape(h, shape=(0, 0, -1)), axes=(0, 2, 1)), state_size=6, name="gru")
    return sym.FullyConnected(2 * h - 1, num_hidden=5, name="fc")


@pytest.mark.parametrize("training", [True, False])
def test_a_declared_network_equals_the_one_written_by_hand(training):
    torch.manual_seed(0)
    hand, net = ByHand(), declared().bind((1, 3, 8, 8), seed=3)
    net.load_state_dict(hand.state_dict())
    results = []
    for module in (hand, net):
        module.train(training)
        data = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        output = module(data)
        output.square().sum().backward()
        gradients = {name: weight.grad for name, weight in module.named_parameters()}
        results.append((output, data.grad, gradients, module.state_dict()))
    (output, slope, gradients, state), (output2, slope2, gradients2, state2) = results
    assert torch.equal(output, output2)
    assert torch.equal(slope, slope2)
    assert gradients.keys() == gradients2.keys()
    assert all(torch.equal(gradients[name], gradients2[name]) for name in gradients)
    assert all(torch.equal(state[name], state2[name]) for name in state)


def test_attention_is_softmax_of_scaled_products():
    q, k = sym.Variable("q"), sym.Variable("k")
    net = sym.MultiHeadAttention(q, k, num_heads=2, name="a").bind(q=(1, 3, 4), k=(1, 5, 6))
    queries, keys = torch.randn(2, 3, 4), torch.randn(2, 7, 6)
    a = net.a
    parts = []
    for head in (slice(0, 2), slice(2, 4)):
        scores = a.query(queries)[..., head] @ a.key(keys)[..., head].mT / 2**0.5
        parts.append(scores.softmax(dim=-1) @ a.value(keys)[..., head])
    assert torch.allclose(net(queries, keys), a.project(torch.cat(parts, dim=2)), atol=1e-6)


def test_a_transformer_block_of_symbols_trains_all_its_weights():
    block = sym.TransformerBlock(sym.Variable("x"), width=8, num_heads=2, causal=True, p=0.1, name="block")
    net = block.bind((2, 5, 8))
    net(torch.randn(2, 5, 8)).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())
    assert "block.attention.query.weight" in net.state_dict()
