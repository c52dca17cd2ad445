"""Inception v1 learns to tell four kinds of texture apart: `python train.py`, seconds on a CPU."""

import argparse

import dlengine
import numpy
from network import inception_v1

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", default="3ep")
parser.add_argument("--samples", type=int, default=256, help="training images")
parser.add_argument("--table", action="store_true", help="print every layer, for images of 224 x 224")
parser.add_argument("--draw", metavar="FILE.svg", help="draw the network")
options = parser.parse_args()


def textures(count, seed, size=32):
    """Stripes lying, stripes standing, checks and rings, in random colours, widths and places, with noise."""
    random = numpy.random.default_rng(seed)
    kinds = random.integers(0, 4, count)
    images = numpy.empty((count, 3, size, size), dtype="float32")
    row, column = numpy.mgrid[:size, :size]
    for number, kind in enumerate(kinds):
        wave = 2 * numpy.pi / random.uniform(4, 12)
        y, x = random.uniform(0, size, 2)
        lying, standing = numpy.sin(wave * (row - y)), numpy.sin(wave * (column - x))
        rings = numpy.sin(wave * numpy.hypot(row - y, column - x))
        texture = (lying, standing, lying * standing, rings)[kind]
        colour, contrast = random.uniform(-1, 1, (3, 1, 1)), random.uniform(0.5, 1, (3, 1, 1))
        images[number] = colour + contrast * texture + random.normal(0, 0.1, (3, size, size))
    return images, kinds


summary = inception_v1().summary((1, 3, 224, 224))
print(summary if options.table else str(summary).splitlines()[-1])
net = inception_v1(classes=4)
if options.draw:
    net.draw(options.draw, (1, 3, 224, 224))
train, test = textures(options.samples, seed=0), textures(128, seed=1)
module = net.bind(train[0].shape, init="kaiming")
result = dlengine.fit(
    module, train, test, epochs=options.epochs, batch_size=16, optimizer="adam", lr=0.0005, schedule="one-cycle"
)
print(f"test accuracy {result.test_accuracy:.4f}")
