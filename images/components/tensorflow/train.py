"""A small network in TensorFlow: plain variables, a gradient tape and a compiled step."""

import os

import digits
import tensorflow as tf

if os.environ["GPU"] == "yes" and not tf.config.list_physical_devices("GPU"):
    raise SystemExit("TensorFlow does not see the GPU")
images, labels, test_images, test_labels = digits.load()
parameters = [tf.Variable(array) for array in digits.weights()]


def scores(batch: tf.Tensor) -> tf.Tensor:
    hidden = tf.tanh(batch @ parameters[0] + parameters[1])
    return hidden @ parameters[2] + parameters[3]


@tf.function
def step(batch: tf.Tensor, wanted: tf.Tensor) -> None:
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, scores(batch)))
    for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
        parameter.assign_sub(0.5 * gradient)


for batch in digits.batches(len(images), epochs=30):
    step(tf.constant(images[batch]), tf.constant(labels[batch]))
digits.report("tensorflow", tf.__version__, scores(test_images), test_labels)
