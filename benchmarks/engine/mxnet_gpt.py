"""The tiny GPT of dlengine.models as a symbol of MXNet 1.9.1, from its general operators."""

from __future__ import annotations

import math

import mxnet as mx

HEADS = 4


def logits(job):
    """The scores of the next tokens, one row for each place."""
    vocabulary, width = job.weights["tokens.weight"].shape
    count, length = job.x.shape[1:]
    given = {name: mx.sym.Variable(variable(name), shape=value.shape) for name, value in job.weights.items()}
    place = mx.sym.arange(length)
    ahead = mx.sym.broadcast_greater(mx.sym.reshape(place, (1, 1, -1)), mx.sym.reshape(place, (1, -1, 1)))
    causal = mx.sym.BlockGrad(ahead * -1e9)

    def dense(x, name, units):
        pair = given[name + ".weight"], given[name + ".bias"]
        return mx.sym.FullyConnected(x, *pair, num_hidden=units, flatten=False)

    def norm(x, name):
        return mx.sym.LayerNorm(x, given[name + ".weight"], given[name + ".bias"], eps=1e-5)

    def attention(x, at):
        parts = mx.sym.reshape(dense(x, at + "attend", 3 * width), (count, length, 3, HEADS, width // HEADS))
        parts = mx.sym.reshape(mx.sym.transpose(parts, (2, 0, 3, 1, 4)), (3, count * HEADS, length, width // HEADS))
        q, k, v = mx.sym.split(parts, 3, axis=0, squeeze_axis=True)
        scores = mx.sym.batch_dot(q, k, transpose_b=True) / math.sqrt(width // HEADS)
        mixed = mx.sym.batch_dot(mx.sym.softmax(mx.sym.broadcast_add(scores, causal)), v)
        mixed = mx.sym.transpose(mx.sym.reshape(mixed, (count, HEADS, length, width // HEADS)), (0, 2, 1, 3))
        return dense(mx.sym.reshape(mixed, (count, length, width)), at + "project", width)

    tokens = given["tokens.weight"]
    x = mx.sym.Embedding(mx.sym.Variable("data"), tokens, input_dim=vocabulary, output_dim=width)
    x = mx.sym.broadcast_add(x, mx.sym.expand_dims(given["positions.weight"], 0))
    for number in range(sum(name.endswith(".wide.bias") for name in job.weights)):
        at = f"blocks.{number}."
        x = x + attention(norm(x, at + "norm1"), at)
        x = x + dense(gelu(dense(norm(x, at + "norm2"), at + "wide", 4 * width)), at + "narrow", width)
    x = mx.sym.reshape(norm(x, "norm"), (-1, width))
    return mx.sym.FullyConnected(x, tokens, num_hidden=vocabulary, no_bias=True)


def gelu(x):
    """The tanh form; MXNet's operator has the other one."""
    return 0.5 * x * (1 + mx.sym.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def variable(name):
    """The name of a weight of the file as MXNet has it."""
    return name[::-1].replace(".", "_", 1)[::-1]


class AdamW(mx.optimizer.Optimizer):
    """torch's AdamW by MXNet's operator; the Module API has none."""

    def create_state(self, index, weight):
        return mx.nd.zeros(weight.shape), mx.nd.zeros(weight.shape)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        count = self._index_update_count[index]
        scale = mx.nd.array([self.rescale_grad])
        rate = self.lr * math.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        mx.nd.contrib.adamw_update(weight, grad, *state, scale, lr=rate, eta=1.0, wd=self.lr * self.wd, out=weight)
