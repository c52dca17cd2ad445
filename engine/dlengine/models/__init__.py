"""Networks, each a plain torch module; docs/models.md lists them."""

from __future__ import annotations

from dlengine.models.alexnet import alexnet
from dlengine.models.gpt import gpt
from dlengine.models.inception import inception_bn, inception_v1
from dlengine.models.lenet import lenet, lenet5
from dlengine.models.mlp import mlp
from dlengine.models.resnet import resnet
from dlengine.models.vgg import vgg

__all__ = ["alexnet", "gpt", "inception_bn", "inception_v1", "lenet", "lenet5", "mlp", "resnet", "vgg"]
