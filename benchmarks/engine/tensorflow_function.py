"""TensorFlow: the training step as a tf.function; `tensorflow_function.py JOB xla` compiles it with XLA."""

from __future__ import annotations

import os
import sys

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
import tensorflow as tf

from benchmarks.engine import keras_models, networks
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
weights = {name: tf.Variable(keras_models.arranged(job, name, value)) for name, value in job.weights.items()}


class Builder:
    """The terms of networks.py as TensorFlow's functions."""

    def conv(self, x, name, filters, kernel, stride=1, pad=0):
        around = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
        return tf.nn.bias_add(tf.nn.conv2d(x, weights[name + ".weight"], stride, around), weights[name + ".bias"])

    def dense(self, x, name, units, image=None):
        return tf.matmul(x, weights[name + ".weight"]) + weights[name + ".bias"]

    def relu(self, x):
        return tf.nn.relu(x)

    def pool(self, x, kernel, stride):
        return tf.nn.max_pool2d(x, kernel, stride, "SAME")

    def concat(self, parts):
        return tf.concat(parts, 3)

    def mean(self, x):
        return tf.reduce_mean(x, [1, 2])

    def flatten(self, x):
        return tf.reshape(x, (x.shape[0], -1))


if job.name == "gpt":
    network = keras_models.model(job)
    trained = network.trainable_variables
    optimizer = keras_models.optimizer(job)
    optimizer.build(trained)
else:
    trained = list(weights.values())
    momenta = [tf.Variable(tf.zeros_like(each)) for each in trained]


def forward(x):
    """Logits."""
    return network(x, training=True) if job.name == "gpt" else networks.BUILD[job.name](Builder(), x)


@tf.function(jit_compile="xla" in sys.argv)
def train(x, y):
    """Forward, backward, update."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, forward(x)))
    gradients = tape.gradient(loss, trained)
    if job.name == "gpt":
        optimizer.apply_gradients(zip(gradients, trained, strict=True))
        return loss
    for weight, momentum, gradient in zip(trained, momenta, gradients, strict=True):
        momentum.assign(0.9 * momentum + gradient)
        weight.assign_sub(job.lr * momentum)
    return loss


x, y = [tf.constant(each) for each in keras_models.inputs(job)], [tf.constant(each) for each in job.y]
loop(job, lambda number: train(x[number], y[number]), Clock())
