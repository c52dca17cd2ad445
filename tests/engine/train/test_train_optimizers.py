from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dlengine import EngineError, data, fit, models
from dlengine.train.large_batch import LAMB, LARS
from dlengine.train.optimizer import build
from torch import nn


def net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3))


def gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def arrays(model: nn.Module, gradient: bool = False) -> dict[str, np.ndarray]:
    named = model.named_parameters()
    return {name: (p.grad if gradient else p.detach()).numpy().astype(np.float64) for name, p in named}


def test_lars_is_algorithm_1_of_its_paper():
    model = net()
    weights, velocity = arrays(model), {name: 0.0 for name, _ in model.named_parameters()}
    optimizer = LARS(model.parameters(), lr=2.0, momentum=0.8, weight_decay=0.1, trust=0.02)
    for step in range(4):
        gradients(model, step)
        for name, gradient in arrays(model, gradient=True).items():
            weight, rate = weights[name], 2.0
            if weight.ndim > 1:
                size, slope = np.linalg.norm(weight), np.linalg.norm(gradient)
                rate *= 0.02 * size / (slope + 0.1 * size)
                gradient = gradient + 0.1 * weight
            velocity[name] = 0.8 * velocity[name] + rate * gradient
            weights[name] = weight - velocity[name]
        optimizer.step()
    for name, weight in arrays(model).items():
        assert weight == pytest.approx(weights[name], rel=1e-5, abs=1e-6)


def test_lamb_is_algorithm_2_of_its_paper():
    model = net()
    weights = arrays(model)
    means = {name: np.zeros_like(weight) for name, weight in weights.items()}
    squares = copy.deepcopy(means)
    optimizer = LAMB(model.parameters(), lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    for step in range(1, 5):
        gradients(model, step)
        for name, gradient in arrays(model, gradient=True).items():
            means[name] = 0.8 * means[name] + 0.2 * gradient
            squares[name] = 0.95 * squares[name] + 0.05 * gradient**2
            update = means[name] / (1 - 0.8**step) / (np.sqrt(squares[name] / (1 - 0.95**step)) + 1e-6)
            ratio, weight = 1.0, weights[name]
            if weight.ndim > 1:
                update = update + 0.1 * weight
                ratio = np.linalg.norm(weight) / np.linalg.norm(update)
            weights[name] = weight - 0.05 * ratio * update
        optimizer.step()
    for name, weight in arrays(model).items():
        assert weight == pytest.approx(weights[name], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", [LARS, LAMB])
def test_layers_of_zeros_still_move(kind):
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    kind([weight]).step()
    assert (weight < 0).all()
    weight.grad = torch.zeros(2, 2)
    kind([weight]).step()
    assert weight.isfinite().all()


def test_muon_takes_matrices_and_adamw_the_rest():
    model = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    theirs = copy.deepcopy(model)
    ours = build("muon", model, lr=0.02, weight_decay=0.1)
    matrices = [theirs[1].weight, theirs[3].weight]
    rest = [p for p in theirs.parameters() if all(p is not matrix for matrix in matrices)]
    muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=0.02, weight_decay=0.1)
    for step in range(3):
        if step == 2:
            saved = copy.deepcopy(ours.state_dict())
            ours = build("muon", model, lr=0.5, weight_decay=0.1)
            ours.load_state_dict(saved)
            assert {group["lr"] for group in ours.param_groups} == {0.01}
        for part in ours.param_groups:
            part["lr"] = 0.02 / (step + 1)
        for group in (*muon.param_groups, *adamw.param_groups):
            group["lr"] = 0.02 / (step + 1)
        gradients(model, step)
        gradients(theirs, step)
        for optimizer in (ours, muon, adamw):
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), theirs.parameters(), strict=True))


def test_biases_and_norms_can_be_spared_the_weight_decay():
    for name in ("sgd", "adamw", "lamb", "muon"):
        optimizer = build(name, net(), lr=0.1, weight_decay=0.3, decay="weights")
        decays = {p.dim(): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
        assert decays == {2: 0.3, 1: 0.0}
        every = build(name, net(), lr=0.1, weight_decay=0.3)
        assert {group["weight_decay"] for group in every.param_groups} == {0.3}


@pytest.mark.parametrize(
    ("optimizer", "arguments", "kind", "expected"),
    [
        ("nesterov", {"lr": 0.3}, torch.optim.SGD, {"lr": 0.3, "nesterov": True, "momentum": 0.9}),
        ("sgd", {"momentum": 0.5}, torch.optim.SGD, {"lr": 0.01, "nesterov": False, "momentum": 0.5}),
        ("adamw", {"weight_decay": 0.2}, torch.optim.AdamW, {"lr": 0.001, "weight_decay": 0.2}),
        ("rmsprop", {"momentum": 0.4}, torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.4}),
        ("rprop", {}, torch.optim.Rprop, {"lr": 0.01}),
        (torch.optim.NAdam, {"lr": 0.5}, torch.optim.NAdam, {"lr": 0.5, "weight_decay": 0.0}),
        (lambda p: torch.optim.Adagrad(p, lr=0.7), {}, torch.optim.Adagrad, {"lr": 0.7}),
    ],
)
def test_optimizers_come_by_name_class_or_function(optimizer, arguments, kind, expected):
    made = build(optimizer, net(), **arguments)
    assert type(made) is kind
    assert {name: made.param_groups[0][name] for name in expected} == expected


@pytest.mark.parametrize(
    ("optimizer", "arguments", "message"),
    [
        ("adamax_", {}, "did you mean 'adamax'"),
        ("lbfgs", {}, "unknown optimizer"),
        ("adam", {"momentum": 0.9}, "Adam has no momentum"),
        ("rprop", {"weight_decay": 0.1}, "Rprop has no weight_decay"),
        (torch.optim.Muon, {}, "Muon refuses its arguments"),
        (lambda p: torch.optim.SGD(p), {"weight_decay": 0.1}, "beside an optimizer of your own"),
    ],
)
def test_optimizers_that_cannot_be_are_refused(optimizer, arguments, message):
    with pytest.raises(EngineError, match=message):
        build(optimizer, net(), **arguments)


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "lars", "lamb", "muon"])
def test_every_optimizer_learns_digits_at_its_usual_rate(optimizer):
    train, test = data.load("digits")
    arguments = {"epochs": 2, "batch_size": 64, "progress": False, "device": "cpu"}
    result = fit(models.mlp(784, (32,)), train, test, optimizer=optimizer, **arguments)
    assert result.test_accuracy > 0.55
