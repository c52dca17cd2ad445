"""The networks, in terms of a builder that each framework implements: conv, dense, relu, pool, concat, mean, flatten.

Needs NumPy alone. Names are those of the weights in the file that the driver writes.
"""

from __future__ import annotations

INCEPTION = {  # 1x1; 3x3 after a reduction; 5x5 after a reduction; 1x1 after pooling
    "in3a": (64, (96, 128), (16, 32), 32),
    "in3b": (128, (128, 192), (32, 96), 64),
    "in4a": (192, (96, 208), (16, 48), 64),
    "in4b": (160, (112, 224), (24, 64), 64),
    "in4c": (128, (128, 256), (24, 64), 64),
    "in4d": (112, (144, 288), (32, 64), 64),
    "in4e": (256, (160, 320), (32, 128), 128),
    "in5a": (256, (160, 320), (32, 128), 128),
    "in5b": (384, (192, 384), (48, 128), 128),
}


def mlp(b, x):
    """784-512-512-10."""
    x = b.relu(b.dense(x, "fc1", 512))
    x = b.relu(b.dense(x, "fc2", 512))
    return b.dense(x, "fc3", 10)


def lenet(b, x):
    """LeNet-5 on 32x32."""
    x = b.pool(b.relu(b.conv(x, "conv1", 6, 5)), 2, 2)
    x = b.pool(b.relu(b.conv(x, "conv2", 16, 5)), 2, 2)
    x = b.flatten(x)
    x = b.relu(b.dense(x, "fc1", 120, image=(16, 5, 5)))
    x = b.relu(b.dense(x, "fc2", 84))
    return b.dense(x, "fc3", 10)


def inception(b, x):
    """GoogLeNet without normalization and dropout."""
    x = b.relu(b.conv(x, "conv1", 64, 7, stride=2, pad=3))
    x = b.pool(x, 3, 2)
    x = b.relu(b.conv(x, "conv2", 64, 1))
    x = b.relu(b.conv(x, "conv3", 192, 3, pad=1))
    x = b.pool(x, 3, 2)
    for name, (ones, threes, fives, project) in INCEPTION.items():
        x = _module(b, x, name, ones, threes, fives, project)
        if name in ("in3b", "in4e"):
            x = b.pool(x, 3, 2)
    return b.dense(b.mean(x), "fc", 1000)


def _module(b, x, name, ones, threes, fives, project):
    first = b.relu(b.conv(x, name + ".b1", ones, 1))
    second = b.relu(b.conv(x, name + ".b2a", threes[0], 1))
    second = b.relu(b.conv(second, name + ".b2b", threes[1], 3, pad=1))
    third = b.relu(b.conv(x, name + ".b3a", fives[0], 1))
    third = b.relu(b.conv(third, name + ".b3b", fives[1], 5, pad=2))
    fourth = b.relu(b.conv(b.pool(x, 3, 1), name + ".b4", project, 1))
    return b.concat([first, second, third, fourth])


BUILD = {"mlp": mlp, "lenet64": lenet, "lenet256": lenet, "inception": inception}
