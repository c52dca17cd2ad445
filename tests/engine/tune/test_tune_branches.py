"""Independent branches run together with the results of serial code, and only where it pays."""

from __future__ import annotations

import threading

import pytest
import torch
from dlengine.models import inception
from dlengine.tune import branches
from dlengine.tune.branches import Parallel, together
from torch import nn

torch.set_num_threads(1)


class Shortcut(nn.Module):
    """Three branches and the source itself meet in a sum, whose gradient depends on the order of its terms."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 1.5
        return torch.stack([self.first(x).tanh(), self.second(x).sigmoid(), self.third(x).exp(), x]).sum(0)


def stacked() -> nn.Module:
    torch.manual_seed(0)
    module = inception.InceptionV1(8, 4, (4, 6), (2, 4), 4)
    return nn.Sequential(nn.Conv2d(3, 8, 3), module, inception.InceptionV1(18, 4, (4, 6), (2, 4), 4), nn.Flatten())


CASES = {
    "inception": (stacked, torch.randn(2, 3, 12, 12)),
    "shortcut": (lambda: (torch.manual_seed(0), Shortcut())[1], torch.randn(64, 16)),
}


def results(module: nn.Module, model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    output = module(x)
    return [output, *torch.autograd.grad(output.square().sum(), [x, *model.parameters()])]


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_serial_code_bit_for_bit(name):
    make, x = CASES[name]
    model = make()
    parallel = Parallel.of(model)
    expected = results(model, model, x)
    for _ in range(5):
        assert all(torch.equal(*pair) for pair in zip(expected, results(parallel, model, x), strict=True))
    with torch.no_grad():
        assert torch.equal(parallel(x), model(x))
        assert not parallel(x).requires_grad


def test_all_four_branches_of_an_inception_module_are_found():
    parallel = Parallel.of(stacked())
    parallel(CASES["inception"][1])
    assert [len(fork) for fork in parallel.intervals] == [4, 4]


class Meet(nn.Module):
    """Waits for the other branch: nobody comes out before both are in."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__()
        self.barrier = barrier

    def __deepcopy__(self, memo: dict) -> Meet:
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.barrier.wait(timeout=60)
        return x + 1


class TwoMeet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        barrier = threading.Barrier(2)
        self.one, self.other = Meet(barrier), Meet(barrier)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x)


def test_branches_really_overlap():
    parallel = Parallel.of(TwoMeet())
    assert torch.equal(parallel(torch.zeros(3)), torch.full((3,), 2.0))
    ((first, second),) = parallel.intervals
    assert max(first[0], second[0]) < min(first[1], second[1])


@pytest.mark.parametrize(("ratio", "pays"), [(0.5, True), (0.99, False), (1.3, False)])
def test_the_measurement_decides(monkeypatch, ratio, pays):
    model = stacked()
    monkeypatch.setattr(branches, "seconds", lambda module, x: ratio if isinstance(module, Parallel) else 1.0)
    chosen = together(model, CASES["inception"][1])
    assert isinstance(chosen, Parallel) is pays
    assert pays or chosen is model


def test_a_real_measurement_leaves_statistics_and_gradients_alone():
    model = nn.Sequential(nn.BatchNorm2d(3), stacked())
    together(model, CASES["inception"][1], rounds=1)
    assert model[0].num_batches_tracked == 0
    assert model[0].running_mean.abs().sum() == 0
    assert all(parameter.grad is None for parameter in model.parameters())


class Drops(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.first(x), 0.5) + self.second(x)


class Overwrites(Shortcut):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        return self.first(self.relu(x)) + self.second(x)


class Decides(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x) + self.second(x) if x.sum() > 0 else x


@pytest.mark.parametrize("model", [Drops(), Overwrites(), Decides(), nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
def test_branches_that_touch_each_other_and_models_without_any_stay_serial(model):
    assert Parallel.of(model) is None
    assert together(model, torch.randn(2, 16)) is model


def test_an_exception_in_a_branch_reaches_the_caller():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Parallel.of(Shortcut())(torch.randn(2, 3))
