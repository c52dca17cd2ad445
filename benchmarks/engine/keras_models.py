"""The workloads in Keras 3, on whatever backend is set, channels last as Keras has it by default."""

from __future__ import annotations

import keras
from keras import layers, ops

from benchmarks.engine import networks


class Builder:
    """The terms of networks.py as Keras layers."""

    def conv(self, x, name, filters, kernel, stride=1, pad=0):
        x = layers.ZeroPadding2D(pad)(x) if pad and stride > 1 else x
        same = "same" if pad and stride == 1 else "valid"
        return layers.Conv2D(filters, kernel, stride, same, name=name.replace(".", "_"))(x)

    def dense(self, x, name, units, image=None):
        return layers.Dense(units, name=name)(x)

    def relu(self, x):
        return layers.ReLU()(x)

    def pool(self, x, kernel, stride):
        return layers.MaxPooling2D(kernel, stride, "same")(x)

    def concat(self, parts):
        return layers.Concatenate()(parts)

    def mean(self, x):
        return layers.GlobalAveragePooling2D()(x)

    def flatten(self, x):
        return layers.Flatten()(x)


def arranged(job, name, value):
    """A weight of the file as Keras and TensorFlow hold it: height, width, in, out; in, out."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if value.ndim == 2 and name == "fc1.weight" and job.name.startswith("lenet"):  # of the flattened image
        return value.reshape(-1, 16, 5, 5).transpose(2, 3, 1, 0).reshape(400, -1)
    return value.T if value.ndim == 2 else value


def inputs(job):
    """All batches, channels last."""
    return job.x.transpose(0, 1, 3, 4, 2).copy() if job.x.ndim == 5 else job.x


def model(job):
    """The network with the given weights."""
    if job.name == "gpt":
        return gpt(job)
    given = keras.Input(inputs(job).shape[2:])
    made = keras.Model(given, networks.BUILD[job.name](Builder(), given))
    for layer in made.layers:
        if layer.weights:
            names = [name for name in job.weights if name.replace(".", "_").rsplit("_", 1)[0] == layer.name]
            layer.set_weights([arranged(job, name, job.weights[name]) for name in names])
    return made


def optimizer(job):
    """SGD with momentum, or AdamW."""
    if job.name == "gpt":
        return keras.optimizers.AdamW(job.lr, weight_decay=0.01, epsilon=1e-8)
    return keras.optimizers.SGD(job.lr, momentum=0.9)


def loss():
    """Mean cross entropy of logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Attention(layers.Layer):
    """Causal self-attention with one dense layer for queries, keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.width = heads, width
        self.attend, self.project = layers.Dense(3 * width), layers.Dense(width)

    def build(self, shape):
        self.attend.build(shape)
        self.project.build(shape)
        self.built = True

    def call(self, x):
        length = x.shape[1]
        parts = ops.reshape(self.attend(x), (-1, length, 3, self.heads, self.width // self.heads))
        q, k, v = parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
        mixed = ops.dot_product_attention(q, k, v, is_causal=True)
        return self.project(ops.reshape(mixed, (-1, length, self.width)))


class Tokens(layers.Layer):
    """Token and position embeddings; the token table is also the output layer."""

    def __init__(self, vocabulary, context, width):
        super().__init__()
        self.table = self.add_weight(shape=(vocabulary, width), name="table")
        self.positions = self.add_weight(shape=(context, width), name="positions")

    def call(self, tokens):
        return ops.take(self.table, tokens, axis=0) + self.positions


class Head(layers.Layer):
    """Logits from the token table."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.tokens.table))


def gpt(job):
    """The tiny GPT of dlengine.models."""
    w = job.weights
    vocabulary, width = w["tokens.weight"].shape
    given = keras.Input((job.x.shape[2],), dtype="int32")
    tokens = Tokens(vocabulary, job.x.shape[2], width)
    x = tokens(given)
    tokens.set_weights([w["tokens.weight"], w["positions.weight"]])
    for number in range(sum(name.endswith(".wide.bias") for name in w)):
        at = f"blocks.{number}."
        norms = [layers.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        attention, wide, narrow = Attention(width, 4), layers.Dense(4 * width), layers.Dense(width)
        x = x + attention(norms[0](x))
        x = x + narrow(keras.activations.gelu(wide(norms[1](x)), approximate=True))
        named = [(norms[0], "norm1"), (norms[1], "norm2"), (wide, "wide"), (narrow, "narrow")]
        for layer, name in [*named, (attention.attend, "attend"), (attention.project, "project")]:
            layer.set_weights([w[at + name + ".weight"].T, w[at + name + ".bias"]])
    norm = layers.LayerNormalization(epsilon=1e-5)
    made = keras.Model(given, Head(tokens)(norm(x)))
    norm.set_weights([w["norm.weight"], w["norm.bias"]])
    return made
