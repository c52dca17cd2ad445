"""Convolutions of six channels computed with eight give what they gave."""

from __future__ import annotations

import pytest
import torch
from dlengine import fit
from dlengine.tune import PLAIN, Plan, applied, by_rule, padding
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def avx2(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


def lenet(*between: nn.Module, channels: int = 6, **convolution) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, **convolution),
        *(between or (nn.ReLU(), nn.MaxPool2d(2))),
        nn.Conv2d(channels, 7, 3),
        nn.Sigmoid(),
        nn.Conv2d(7, 5, 1),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.max_pool2d(F.relu(self.first(x)), 2).tanh()).mean(dim=(2, 3))


class Shared(Functional):
    """What the first layer returns is read twice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return self.second(y).mean(dim=(2, 3)) + y.mean()


def trained(model: nn.Module, plan: Plan) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(8, 1, 12, 12, generator=generator), torch.arange(8) % 3
    model(x)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with applied(plan, model, optimizer):
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return list(model.parameters())


def test_layers_that_lead_from_one_convolution_to_the_next_are_padded():
    assert padding.find(lenet()) == (("0", "3"), ("3", "5"))
    assert padding.find(Functional()) == (("first", "second"),)


@pytest.mark.parametrize("channels", [4, 8, 10, 12])
def test_other_numbers_of_channels_stay(channels):
    assert ("0", "3") not in padding.find(lenet(channels=channels))


@pytest.mark.parametrize(
    "model",
    [
        Shared(),
        lenet(nn.BatchNorm2d(6)),
        lenet(nn.Dropout(), nn.ReLU()),
        lenet(nn.Softmax(dim=1)),
        lenet(nn.ReLU(), padding=1, padding_mode="reflect"),
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.LazyLinear(3)),
    ],
)
def test_channels_that_others_see_are_not_padded(model):
    assert all(first not in ("0", "first") for first, _ in padding.find(model))


def test_layers_with_hooks_are_not_padded():
    model = lenet()
    model[1].register_forward_hook(lambda module, given, made: None)
    assert padding.find(model) == (("3", "5"),)


def test_processors_with_other_vectors_pad_nothing(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert padding.find(lenet()) == ()


@pytest.mark.parametrize("make", [lenet, Functional, lambda: lenet(bias=False)])
def test_padded_training_gives_the_same_weights_to_rounding(make):
    model = make()
    pairs = padding.find(model)
    assert pairs
    for ours, plain in zip(trained(model, Plan(padded=pairs)), trained(make(), PLAIN), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_the_layers_compute_as_before_once_the_block_ends():
    model = lenet()
    with applied(Plan(padded=padding.find(model)), model):
        assert model[0](torch.zeros(1, 1, 5, 5)).shape[1] == 8
    assert model[0](torch.zeros(1, 1, 5, 5)).shape[1] == 6


def test_fit_pads_by_rule_and_not_within_a_memory_budget(capsys):
    x, y = torch.randn(32, 1, 12, 12), torch.arange(32) % 3
    for memory, said in ((None, True), ("1GiB", False)):
        model = lenet()
        model(x[:1])
        assert by_rule(model, torch.optim.SGD(model.parameters()), torch.device("cpu")).padded
        fit(model, (x, y), epochs=1, batch_size=16, memory=memory, device="cpu")
        assert ("2 convolutions padded" in capsys.readouterr().out) == said
