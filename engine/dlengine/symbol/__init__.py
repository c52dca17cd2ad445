"""Declarative graphs: describe a network, learn its shapes, bind it to a torch module; docs/symbol.md.

x = Variable("data")
x = Activation(FullyConnected(x, num_hidden=100), act_type="relu")
net = SoftmaxOutput(FullyConnected(x, num_hidden=4))
result = dlengine.fit(net, train, test)
"""

from __future__ import annotations

from dlengine.symbol.bind import bind
from dlengine.symbol.file import from_json, load
from dlengine.symbol.layers import (
    LRN,
    Activation,
    BatchNorm,
    Convolution,
    Deconvolution,
    Dropout,
    Embedding,
    FullyConnected,
    LayerNorm,
    Pooling,
)
from dlengine.symbol.network import Network
from dlengine.symbol.outputs import (
    LinearRegressionOutput,
    LogisticRegressionOutput,
    MAERegressionOutput,
    SoftmaxOutput,
)
from dlengine.symbol.python import Module, node
from dlengine.symbol.sequence import GRU, LSTM, RNN, MultiHeadAttention, TransformerBlock
from dlengine.symbol.shaping import Concat, Flatten, Reshape, Split, Transpose, UpSampling
from dlengine.symbol.symbol import Group, Symbol, Variable
from dlengine.symbol.trace import trace

__all__ = [
    "GRU",
    "LRN",
    "LSTM",
    "RNN",
    "Activation",
    "BatchNorm",
    "Concat",
    "Convolution",
    "Deconvolution",
    "Dropout",
    "Embedding",
    "Flatten",
    "FullyConnected",
    "Group",
    "LayerNorm",
    "LinearRegressionOutput",
    "LogisticRegressionOutput",
    "MAERegressionOutput",
    "Module",
    "MultiHeadAttention",
    "Network",
    "Pooling",
    "Reshape",
    "SoftmaxOutput",
    "Split",
    "Symbol",
    "TransformerBlock",
    "Transpose",
    "UpSampling",
    "Variable",
    "bind",
    "from_json",
    "load",
    "node",
    "trace",
]
