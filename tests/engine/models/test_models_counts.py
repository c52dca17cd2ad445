"""Networks against what is published about them: parameters, and the sizes of what they compute."""

from __future__ import annotations

import pytest
import torch
from dlengine import models

# torchvision's documentation, and Krizhevsky, Simonyan, He for the architectures.
TORCHVISION = {
    "alexnet": 61_100_840,
    "vgg 11": 132_863_336,
    "vgg 13": 133_047_848,
    "vgg 16": 138_357_544,
    "vgg 19": 143_667_240,
    "vgg 11 bn": 132_868_840,
    "vgg 13 bn": 133_053_736,
    "vgg 16 bn": 138_365_992,
    "vgg 19 bn": 143_678_248,
    "resnet 18": 11_689_512,
    "resnet 34": 21_797_672,
    "resnet 50": 25_557_032,
    "resnet 101": 44_549_160,
    "resnet 152": 60_192_808,
}
# MXNet's model zoo; it counts running averages, and a normalization of the data (3 channels, 4 numbers each).
GLUON_V2 = {18: 11_695_796, 34: 21_811_380, 50: 25_595_060, 101: 44_639_412, 152: 60_329_140}


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_are_those_of_torchvision(name):
    kind, *rest = name.split()
    options = {"batch_norm": True} if rest[1:] else {}
    with torch.device("meta"):
        model = getattr(models, kind)(*map(int, rest[:1]), **options)
    assert parameters(model) == TORCHVISION[name]


@pytest.mark.parametrize("depth", GLUON_V2)
def test_parameters_of_version_2_are_those_of_mxnet(depth):
    with torch.device("meta"):
        model = models.resnet(depth, version=2)
    averages = sum(value.numel() for name, value in model.named_buffers() if "running" in name)
    assert parameters(model) + averages + 4 * 3 == GLUON_V2[depth]


def test_inception_has_the_parameters_of_the_papers():
    with torch.device("meta"):
        first, second = models.inception_v1(), models.inception_bn()
    assert parameters(first) == 6_998_552
    assert sum(weight.numel() for weight in first.parameters() if weight.dim() > 1) == 6_990_272
    biases = sum(module.out_channels for module in second.modules() if isinstance(module, torch.nn.Conv2d))
    assert parameters(second) + biases == 11_295_240


def test_gpt_has_the_parameters_of_gpt2():
    with torch.device("meta"):
        assert parameters(models.gpt("gpt2")) == 124_439_808
        width, layers = 128, 4
        block = 12 * width**2 + 13 * width
        assert parameters(models.gpt("tiny")) == layers * block + (65 + 64) * width + 2 * width


@pytest.mark.parametrize(
    "build",
    [
        models.alexnet,
        lambda: models.vgg(11),
        lambda: models.resnet(18),
        lambda: models.resnet(50, version=2),
        models.inception_v1,
        models.inception_bn,
    ],
)
def test_images_become_logits(build):
    with torch.device("meta"):
        model = build().eval()
        assert model(torch.empty(2, 3, 224, 224)).shape == (2, 1000)


def test_the_last_images_of_inception_are_7_by_7():
    seen = {}
    with torch.device("meta"):
        for model in (models.inception_v1(), models.inception_bn()):
            model.in5b.register_forward_hook(lambda module, inputs, output: seen.update({type(module): output.shape}))
            model.eval()(torch.empty(1, 3, 224, 224))
    assert set(seen.values()) == {torch.Size([1, 1024, 7, 7])}
