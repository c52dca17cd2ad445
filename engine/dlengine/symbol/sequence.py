"""Layers over sequences: recurrent ones, attention, and the transformer block made of the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dlengine.errors import EngineError
from dlengine.symbol.call import Call
from dlengine.symbol.layers import Activation, Dropout, FullyConnected, LayerNorm
from dlengine.symbol.node import Ref
from dlengine.symbol.parameters import Count, Fraction, Text, choose
from dlengine.symbol.registry import Path, Shape, Step, operator
from dlengine.symbol.symbol import Symbol

_CELLS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN, "rnn_relu": nn.RNN}


def _recurrent_weights(params: dict[str, Any]) -> tuple[str, ...]:
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ways = ("", "_reverse") if params["bidirectional"] else ("",)
    return tuple(f"{part}_l{level}{way}" for level in range(params["num_layers"]) for way in ways for part in parts)


def _recurrent_outputs(params: dict[str, Any]) -> tuple[Path, ...]:
    if not params["state_outputs"]:
        return ((0,),)
    return ((0,), (1, 0), (1, 1)) if params["mode"] == "lstm" else ((0,), (1,))


@operator("sequence", weights=_recurrent_weights, outputs=_recurrent_outputs)
def RNN(
    x: Shape,
    *,
    state_size: Count,
    mode: Text = "lstm",
    num_layers: Count = 1,
    bidirectional: bool = False,
    p: Fraction = 0.0,
    state_outputs: bool = False,
) -> Step:
    """Recurrent layers: (N, time, inputs) -> (N, time, state_size), twice that when bidirectional.

    mode: lstm, gru, rnn_tanh, rnn_relu. p: dropout between layers. state_outputs: a group of the sequence and the last
    state (for lstm two), each (layers, N, state_size).
    """
    cell = choose("RNN", "mode", mode, _CELLS)
    if len(x) != 3:
        raise EngineError("a recurrent layer wants inputs of shape (N, time, inputs)")
    options = {"nonlinearity": mode.removeprefix("rnn_")} if cell is nn.RNN else {}
    return cell(x[2], state_size, num_layers, batch_first=True, dropout=p, bidirectional=bidirectional, **options)


def LSTM(x: Symbol, **options: Any) -> Symbol:
    """`RNN` with long short-term memory (Hochreiter 1997)."""
    return RNN(x, mode="lstm", **options)


def GRU(x: Symbol, **options: Any) -> Symbol:
    """`RNN` with gated recurrent units (Cho 2014)."""
    return RNN(x, mode="gru", **options)


class Attention(nn.Module):
    """Multi-head attention (Vaswani 2017): queries (N, T, width), keys and values (N, S, own widths) -> (N, T, width).

    causal: a place sees only places up to itself. dropout: of the attention weights, in training.
    """

    def __init__(
        self, width: int, heads: int, *, keys: int | None = None, values: int | None = None, causal: bool = False,
        dropout: float = 0.0, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if width % heads:
            raise EngineError(f"a width of {width} cannot be split over {heads} heads", "heads must divide the width")
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(keys or width, width, bias=bias)
        self.value = nn.Linear(values or width, width, bias=bias)
        self.project = nn.Linear(width, width, bias=bias)

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=self.causal)
        return self.project(mixed.transpose(1, 2).flatten(2))


class SelfAttention(Attention):
    """Attention of a sequence to itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x, x, x)


def _attention_weights(params: dict[str, Any]) -> tuple[str, ...]:
    layers = ("query", "key", "value", "project")
    return tuple(f"{layer}.{part}" for layer in layers for part in ("weight", "bias"))


@operator("sequence", inputs=(1, 3), weights=_attention_weights)
def MultiHeadAttention(*shapes: Shape, num_heads: Count, causal: bool = False, p: Fraction = 0.0) -> Step:
    """Attention of queries (N, T, width) to keys and values (N, S, ...): itself by default, values as keys by default.

    causal: a place sees only places up to itself. p: dropout of the attention weights.
    """
    if any(len(shape) != 3 for shape in shapes):
        raise EngineError("attention wants inputs of shape (N, time, width)")
    width = shapes[0][2]
    if len(shapes) == 1:
        return SelfAttention(width, num_heads, causal=causal, dropout=p)
    attention = Attention(width, num_heads, keys=shapes[1][2], values=shapes[-1][2], causal=causal, dropout=p)
    return Call(attention, (Ref(0), Ref(1), Ref(len(shapes) - 1)))


def TransformerBlock(
    x: Symbol, *, width: int, num_heads: int, hidden: int | None = None, causal: bool = False, p: float = 0.0, name: str
) -> Symbol:
    """A pre-norm transformer block (Radford 2019): (N, time, width) -> the same; its layers are called `name.norm1` ...

    hidden: the width of the dense layer, 4 * width unless given.
    """
    y = LayerNorm(x, name=f"{name}.norm1")
    y = MultiHeadAttention(y, num_heads=num_heads, causal=causal, p=p, name=f"{name}.attention")
    x = x + Dropout(y, p=p, name=f"{name}.drop1")
    y = LayerNorm(x, name=f"{name}.norm2")
    y = FullyConnected(y, num_hidden=hidden or 4 * width, flatten=False, name=f"{name}.fc1")
    y = Activation(y, act_type="gelu", name=f"{name}.gelu")
    y = FullyConnected(y, num_hidden=width, flatten=False, name=f"{name}.fc2")
    return x + Dropout(y, p=p, name=f"{name}.drop2")
