"""A small convolutional network in MXNet's Gluon."""

import digits
import mxnet as mx
from mxnet import autograd, gluon

mx.random.seed(0)
images, labels, test_images, test_labels = digits.load()
model = gluon.nn.HybridSequential()
model.add(gluon.nn.Conv2D(16, 3, activation="relu"), gluon.nn.MaxPool2D(), gluon.nn.Flatten(), gluon.nn.Dense(10))
model.initialize(mx.init.Xavier())
model.hybridize()
trainer = gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
loss = gluon.loss.SoftmaxCrossEntropyLoss()


def scores(pixels):
    return model(mx.nd.array(pixels.reshape(-1, 1, 8, 8)))


for batch in digits.batches(len(images), epochs=10):
    with autograd.record():
        lost = loss(scores(images[batch]), mx.nd.array(labels[batch]))
    lost.backward()
    trainer.step(len(batch))
digits.report("mxnet", mx.__version__, scores(test_images).asnumpy(), test_labels)
