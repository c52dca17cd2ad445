"""A small network in MXNet's symbols and its Module, on Python 2.7."""

from __future__ import print_function

import digits
import mxnet as mx

mx.random.seed(0)
images, labels, test_images, test_labels = digits.load()
hidden = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=64), act_type="tanh")
network = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=10), name="softmax")
model = mx.mod.Module(network)
model.fit(
    mx.io.NDArrayIter(images, labels, 32, shuffle=True, last_batch_handle="discard"),
    num_epoch=30,
    initializer=mx.init.Xavier(),
    optimizer_params={"learning_rate": 0.1, "momentum": 0.9},
)
scores = model.predict(mx.io.NDArrayIter(test_images, batch_size=32)).asnumpy()
digits.report("mxnet", mx.__version__, scores, test_labels)
