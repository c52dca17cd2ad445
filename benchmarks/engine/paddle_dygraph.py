"""PaddlePaddle, its eager mode, which was its faster one."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from benchmarks.engine import networks
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
weights = {
    name: paddle.create_parameter(list(value.shape), "float32", default_initializer=paddle.nn.initializer.Assign(value))
    for name, value in ((n, v.T.copy() if v.ndim == 2 else v) for n, v in job.weights.items())
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


builder = Builder()
optimizer = paddle.optimizer.Momentum(job.lr, 0.9, list(weights.values()))
x, y = [paddle.to_tensor(each) for each in job.x], [paddle.to_tensor(each) for each in job.y]


def step(number):
    """The textbook step."""
    loss = F.cross_entropy(networks.BUILD[job.name](builder, x[number]), y[number])
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()
    return loss


loop(job, step, Clock())
