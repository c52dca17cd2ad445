"""An operator with a gradient of its own, in code and in a declared network: `python custom_operator.py [epochs]`.

The operator gives the sign of its input, whose true gradient is zero almost everywhere, so that nothing below it would
learn. Its own gradient passes straight through where the input is between -1 and 1 (Bengio 2013, 1308.3432). With it, a
network learns hidden features that are yes or no.
"""

import sys

import dlengine
import dlengine.numpy as np
import numpy
from dlengine import symbol as sym


@sym.node
@np.primitive
def sign(x):
    return np.where(x >= 0, 1.0, -1.0).astype(x.dtype)


np.defvjp(sign.__wrapped__, lambda ans, x: lambda g: g * (np.abs(x) <= 1))

# 1. Imperative: it runs at once, and differentiates.
x = np.array([-2.0, -0.5, 0.3, 4.0])
print("sign    ", sign(x))
print("gradient", np.grad(lambda x: np.sum(3 * sign(x)))(x))


# 2. Plain Python inside the graph: print, assert, or breakpoint() where you like.
@sym.node(shape=lambda features: features)
def watch(features):
    if watch.calls_left > 0:
        watch.calls_left -= 1
        print(f"  {len(features)} samples, {float((features > 0).float().mean()):.0%} of the features are yes")
    return features


watch.calls_left = 3

# 3. Declared: the same operator is a node among others, trained by fit.
h = sym.FullyConnected(sym.Variable("data"), num_hidden=64, name="fc1")
h = watch(sign(sym.BatchNorm(h, name="norm"), name="sign"), name="watch")
net = sym.SoftmaxOutput(sym.FullyConnected(h, num_hidden=2, name="fc2"))

random = numpy.random.default_rng(0)
points = random.uniform(-1, 1, (2000, 2)).astype("float32")
inside = (numpy.hypot(*points.T) < 0.75).astype("int64")
result = dlengine.fit(
    net,
    (points[:1600], inside[:1600]),
    (points[1600:], inside[1600:]),
    epochs=sys.argv[1] if sys.argv[1:] else 15,
    optimizer="adam",
    batch_size=64,
    lr=0.03,
    progress=False,
)
print(f"inside the circle or not, from 64 features that are yes or no: test accuracy {result.test_accuracy:.4f}")
