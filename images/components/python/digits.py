"""Real handwritten digits for a small training run, in any Python from 2.7 on with NumPy.

1797 images of 8x8 pixels (0 to 16), the test part of UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and
Kaynak, 1998; CC BY 4.0), as scikit-learn ships them (BSD 3-Clause). digits.txt holds rows of 64 pixels and the
label, a byte each, packed by zlib, in base64: the files of a component have to be text.
"""

from __future__ import print_function

import base64
import os
import platform
import sys
import zlib

import numpy as np

WANTED = 0.95


def load():
    """Return images and labels to train on, (1437, 64) float32 in 0..1 and int64, then 360 to test on: every fifth."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits.txt"), "rb") as file:
        rows = np.frombuffer(zlib.decompress(base64.b64decode(file.read())), "uint8").reshape(-1, 65)
    images, labels = rows[:, :64].astype("float32") / 16, rows[:, 64].astype("int64")
    test = np.arange(len(rows)) % 5 == 0
    return images[~test], labels[~test], images[test], labels[test]


def batches(count, epochs, size=32):
    """Yield arrays of indices: every sample once an epoch, in a new order each; a last part of a batch is left out."""
    random = np.random.RandomState(0)
    for _ in range(epochs):
        order = random.permutation(count)
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]


def weights():
    """Return weights and biases of a 64-64-10 network to start from, float32."""
    random = np.random.RandomState(1)
    first = random.normal(0, 64**-0.5, (64, 64)).astype("float32")
    second = random.normal(0, 64**-0.5, (64, 10)).astype("float32")
    return [first, np.zeros(64, "float32"), second, np.zeros(10, "float32")]


def report(framework, version, scores, labels):
    """Print the accuracy of scores, (360, 10), on the test digits; exit with 1 when it is below WANTED."""
    accuracy = float((np.asarray(scores).argmax(axis=1) == labels).mean())
    python = platform.python_version()
    line = "{} {} on Python {}: accuracy {:.3f} on {} test digits (wanted {})"
    print(line.format(framework, version, python, accuracy, len(labels), WANTED))
    sys.stdout.flush()
    if accuracy < WANTED:
        sys.exit(1)
