from __future__ import annotations

import torch
from dlengine import models


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lenet_has_the_parameters_of_mxnet():
    model = models.lenet()
    assert parameters(model) == 431_080
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert models.lenet(classes=47)(torch.zeros(1, 1, 28, 28)).shape == (1, 47)


def test_mlp_has_the_layers_that_were_asked_for():
    assert parameters(models.mlp()) == 669_706
    assert models.mlp(4, (3,), 2)(torch.zeros(5, 2, 2)).shape == (5, 2)
    assert parameters(models.mlp(4, (), 2)) == 10


def test_initial_weights_follow_from_the_seed_and_leave_the_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = models.lenet(seed=3), models.lenet(seed=3), models.lenet(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.fc1.weight, same.fc1.weight)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)
    assert not torch.equal(models.lenet(seed=None).fc1.weight, models.lenet(seed=None).fc1.weight)
