"""A small network in MinPy: NumPy code with gradients."""

import digits
import minpy.numpy as np
from minpy.core import grad_and_loss

images, labels, test_images, test_labels = digits.load()
parameters = [np.array(array) for array in digits.weights()]


def scores(batch, first, bias1, second, bias2):
    return np.dot(np.tanh(np.dot(batch, first) + bias1), second) + bias2


def loss(first, bias1, second, bias2, batch, wanted):
    exponents = np.exp(scores(batch, first, bias1, second, bias2))
    chances = exponents / np.sum(exponents, axis=1, keepdims=True)
    return -np.sum(np.log(chances) * wanted) / batch.shape[0]


step = grad_and_loss(loss, argnum=range(4))
one_hot = (labels[:, None] == range(10)).astype("float32")
for batch in digits.batches(len(images), epochs=20, size=64):
    gradients, _ = step(*parameters, images[batch], one_hot[batch])
    parameters = [parameter - 0.5 * gradient for parameter, gradient in zip(parameters, gradients)]
digits.report("minpy", "0.3.4", scores(test_images, *parameters).asnumpy(), test_labels)
