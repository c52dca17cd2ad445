"""MXNet 1.9.1: a symbol, bound by the Module API."""

from __future__ import annotations

import numpy

numpy.bool = bool  # MXNet 1.9.1 uses the name that later NumPy took away
import mxnet as mx  # noqa: E402

from benchmarks.engine import mxnet_gpt, networks  # noqa: E402
from benchmarks.engine.clock import Clock, Job, loop  # noqa: E402


class Builder:
    """The terms of networks.py as symbols."""

    def conv(self, x, name, filters, kernel, stride=1, pad=0):
        return mx.sym.Convolution(
            x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), name=name
        )

    def dense(self, x, name, units, image=None):
        return mx.sym.FullyConnected(x, num_hidden=units, name=name)

    def relu(self, x):
        return mx.sym.Activation(x, act_type="relu")

    def pool(self, x, kernel, stride):
        pad = (kernel // 2, kernel // 2) if stride == 1 else (0, 0)
        size = {"kernel": (kernel, kernel), "stride": (stride, stride), "pad": pad}
        return mx.sym.Pooling(x, pool_type="max", pooling_convention="full", **size)

    def concat(self, parts):
        return mx.sym.concat(*parts, dim=1)

    def mean(self, x):
        return mx.sym.flatten(mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg"))

    def flatten(self, x):
        return mx.sym.flatten(x)


job = Job()
gpt = job.name == "gpt"
label = mx.sym.Variable("label")
if gpt:
    output, label = mxnet_gpt.logits(job), mx.sym.reshape(label, (-1,))
else:
    output = networks.BUILD[job.name](Builder(), mx.sym.Variable("data"))
module = mx.mod.Module(mx.sym.SoftmaxOutput(output, label, name="out"), data_names=["data"], label_names=["label"])
module.bind([("data", job.x[0].shape)], [("label", job.y[0].shape)])
weights = {mxnet_gpt.variable(name): mx.nd.array(value) for name, value in job.weights.items()}
module.init_params(arg_params=weights, aux_params={})
scale = 1 / job.y[0].size
if gpt:
    optimizer = mxnet_gpt.AdamW(learning_rate=job.lr, wd=0.01, rescale_grad=scale)
    module.init_optimizer(kvstore=None, optimizer=optimizer)
else:
    settings = {"learning_rate": job.lr, "momentum": 0.9, "rescale_grad": scale}
    module.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params=settings)
labels = job.y.astype("float32")
batches = [mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)]) for x, y in zip(job.x, labels, strict=True)]


def step(number):
    """Forward, backward, update; the probabilities are the output."""
    module.forward_backward(batches[number])
    module.update()
    return Loss(number)


class Loss:
    """The loss of the step, computed only when it is asked for."""

    def __init__(self, number):
        self.number = number

    def __float__(self):
        probabilities = module.get_outputs()[0].asnumpy()
        right = job.y[self.number].ravel()
        return float(-numpy.log(probabilities[numpy.arange(right.size), right]).mean())


loop(job, step, Clock(wait=mx.nd.waitall))
