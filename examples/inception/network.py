"""Inception v1 (GoogLeNet) as in the paper, without auxiliary classifiers: 6,998,552 parameters."""

from dlengine import symbol as sym

# 1x1 | 1x1 before 3x3, 3x3 | 1x1 before 5x5, 5x5 | 1x1 after pooling
FILTERS = {
    "in3a": (64, 96, 128, 16, 32, 32),
    "in3b": (128, 128, 192, 32, 96, 64),
    "in4a": (192, 96, 208, 16, 48, 64),
    "in4b": (160, 112, 224, 24, 64, 64),
    "in4c": (128, 128, 256, 24, 64, 64),
    "in4d": (112, 144, 288, 32, 64, 64),
    "in4e": (256, 160, 320, 32, 128, 128),
    "in5a": (256, 160, 320, 32, 128, 128),
    "in5b": (384, 192, 384, 48, 128, 128),
}


def conv(x, name, filters, kernel, stride=1):
    x = sym.Convolution(x, num_filter=filters, kernel=kernel, stride=stride, pad=kernel // 2, name=name)
    return sym.Activation(x, act_type="relu")


def pool(x, stride, pad=0):
    return sym.Pooling(x, kernel=3, stride=stride, pad=pad, pooling_convention="full")


def inception(x, name, ones, before3, threes, before5, fives, after):
    b2 = conv(conv(x, f"{name}.b2a", before3, 1), f"{name}.b2b", threes, 3)
    b3 = conv(conv(x, f"{name}.b3a", before5, 1), f"{name}.b3b", fives, 5)
    b4 = conv(pool(x, stride=1, pad=1), f"{name}.b4", after, 1)
    return sym.Concat(conv(x, f"{name}.b1", ones, 1), b2, b3, b4)


def inception_v1(classes=1000):
    x = sym.LRN(pool(conv(sym.Variable("data"), "conv1", 64, 7, stride=2), stride=2), nsize=5)
    x = sym.LRN(conv(conv(x, "conv2", 64, 1), "conv3", 192, 3), nsize=5)
    for name, filters in FILTERS.items():
        x = pool(x, stride=2) if name in ("in3a", "in4a", "in5a") else x
        x = inception(x, name, *filters)
    x = sym.Dropout(sym.Pooling(x, global_pool=True, pool_type="avg"), p=0.4)
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=classes, name="fc"), name="softmax")
