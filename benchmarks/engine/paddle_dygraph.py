"""PaddlePaddle, its eager mode, which was its faster one."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from benchmarks.engine import networks
from benchmarks.engine.clock import Clock, Job, loop

TABLES = ("tokens.weight", "positions.weight")

job = Job()
weights = {
    name: paddle.create_parameter(list(value.shape), "float32", default_initializer=paddle.nn.initializer.Assign(value))
    for name, value in ((n, v.T.copy() if v.ndim == 2 and n not in TABLES else v) for n, v in job.weights.items())
}


class Builder:
    """The terms of networks.py on Paddle's tensors."""

    def conv(self, x, name, filters, kernel, stride=1, pad=0):
        return F.conv2d(x, weights[name + ".weight"], weights[name + ".bias"], stride, pad)

    def dense(self, x, name, units, image=None):
        return F.linear(x, weights[name + ".weight"], weights[name + ".bias"])

    def relu(self, x):
        return F.relu(x)

    def pool(self, x, kernel, stride):
        return F.max_pool2d(x, kernel, stride, kernel // 2 if stride == 1 else 0, ceil_mode=stride > 1)

    def concat(self, parts):
        return paddle.concat(parts, 1)

    def mean(self, x):
        return x.mean([2, 3])

    def flatten(self, x):
        return x.flatten(1)


def gpt(tokens):
    """The scores of the tiny GPT of dlengine.models."""

    def dense(x, name):
        return F.linear(x, weights[name + ".weight"], weights[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1], weights[name + ".weight"], weights[name + ".bias"])

    x = F.embedding(tokens, weights["tokens.weight"]) + weights["positions.weight"]
    for number in range(sum(name.endswith(".wide.bias") for name in weights)):
        at = f"blocks.{number}."
        parts = dense(norm(x, at + "norm1"), at + "attend").reshape([*x.shape[:2], 3, 4, -1])
        mixed = F.scaled_dot_product_attention(*paddle.unbind(parts, 2), is_causal=True)
        x = x + dense(mixed.flatten(2), at + "project")
        x = x + dense(F.gelu(dense(norm(x, at + "norm2"), at + "wide"), approximate=True), at + "narrow")
    return paddle.matmul(norm(x, "norm"), weights["tokens.weight"], transpose_y=True).flatten(0, 1)


def forward(x):
    """Scores, a row for each label."""
    return gpt(x) if job.name == "gpt" else networks.BUILD[job.name](builder, x)


builder = Builder()
trained = list(weights.values())
if job.name == "gpt":
    optimizer = paddle.optimizer.AdamW(job.lr, parameters=trained, weight_decay=0.01)
else:
    optimizer = paddle.optimizer.Momentum(job.lr, 0.9, trained)
x, y = [paddle.to_tensor(each) for each in job.x], [paddle.to_tensor(each) for each in job.y]


def step(number):
    """The textbook step."""
    loss = F.cross_entropy(forward(x[number]), y[number].flatten())
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return loss


loop(job, step, Clock())
