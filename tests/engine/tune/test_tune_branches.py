"""Independent branches run together with the results of serial code, and only where it pays."""

from __future__ import annotations

import threading

import pytest
import torch
from dlengine import Callback, fit
from dlengine.models import inception
from dlengine.tune import Plan, branches, choice
from dlengine.tune.branches import Parallel, together
from dlengine.tune.workers import Apart, Workers
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


class TwoMeet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Identity(), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x)


def test_branches_really_overlap(monkeypatch):
    barrier = threading.Barrier(2)  # nobody comes out before both are in

    def meet(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        barrier.wait(timeout=60)
        return x + 1

    parallel = Parallel.of(TwoMeet())
    monkeypatch.setattr(nn.Identity, "forward", meet)
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


def test_all_branches_end_before_an_exception_is_raised():
    """Otherwise one of them might still run while the step is made again with fewer samples."""
    ended = threading.Event()

    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of room")

    class Late(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ended.wait(0.2)
            ended.set()
            return x

    workers = Workers(2)
    fails, late = Fails(), Late()
    with pytest.raises(RuntimeError, match="out of room"):
        workers.run([lambda: fails(torch.ones(1)), lambda: late(torch.ones(1))], gradients=True)
    assert ended.is_set()


def test_backward_passes_of_branches_overlap_too():
    barrier = threading.Barrier(2)

    class Wait(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            barrier.wait(timeout=60)
            return gradient

    def branch(x: torch.Tensor) -> list[torch.Tensor]:
        return [Wait.apply(x)]

    source = torch.ones(3, requires_grad=True)
    results, last = Apart.of(Workers(2), [branch, branch], source, [[], []])
    (results[0][0] + results[1][0] + last).sum().backward()
    assert torch.equal(source.grad, torch.full((3,), 3.0))


def test_branches_compute_in_the_callers_precision():
    model = stacked()
    parallel, x = Parallel.of(model), CASES["inception"][1]
    with torch.autocast("cpu", torch.bfloat16):
        assert all(
            torch.equal(*pair) for pair in zip(results(model, model, x), results(parallel, model, x), strict=True)
        )


def test_another_mode_of_training_is_the_models_own_code():
    class Asks(Shortcut):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if self.training else x

    model = Asks()
    parallel = Parallel.of(model)
    model.eval()
    x = torch.randn(2, 16)
    assert parallel(x) is x


def test_layers_that_both_branches_use_keep_them_serial():
    class Shares(Shortcut):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x) + self.second(self.first(x))

    assert Parallel.of(Shares()) is None


class Faster:
    """A clock on which branches take half as long."""

    def __init__(self, *_: object) -> None:
        pass

    def seconds(self, plan: Plan, steps: int) -> float:
        return 0.1

    def compare(self, plans: list[Plan], rounds: int, step: float) -> list[list[float]]:
        return [[0.05 if plan.branches else 0.1] * rounds for plan in plans]


def test_fit_measures_branches_uses_them_when_they_pay_says_so_and_remembers(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "_may_use_fewer_threads", lambda device: True)
    monkeypatch.setattr(choice, "PART", 1.0)
    monkeypatch.setattr(choice, "SHORT_STEPS", 8)
    data, weights = (torch.randn(8, 3, 12, 12), torch.arange(8) % 5), []
    for clock, steps, used in ((Faster, "6ba", False), (Faster, "300ba", True), (None, "300ba", True)):
        monkeypatch.setattr(choice, "Trial", clock)  # the last run asks no clock: it remembers
        model = nn.Sequential(stacked(), nn.Linear(1800, 5))
        torch.set_num_threads(2 if used else 1)  # branches share out the threads, so that each operator has one
        fit(model, data, epochs=steps, batch_size=4, lr=0.01, device="cpu", callbacks=[Stop(6)])
        torch.set_num_threads(1)
        weights.append(nn.utils.parameters_to_vector(model.parameters()))
        assert ("1 thread, branches together" in capsys.readouterr().out) is used
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


class Stop(Callback):
    def __init__(self, after: int) -> None:
        self.after = after

    def on_step(self, run) -> None:
        if run.position.step == self.after:
            run.stop()


def test_one_thread_a_busy_machine_and_a_chosen_number_leave_branches_serial(monkeypatch):
    def ways(threads: int, *, quiet: bool = True, model: nn.Module | None = None) -> list[dict]:
        with monkeypatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda: threads)
            patch.setattr(choice, "_machine_is_quiet", lambda: quiet)
            return choice.recordings(model or stacked(), torch.device("cpu"))

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert ways(8) == [{"branches": True, "threads": 4}, {"branches": True, "threads": 2}]
    assert ways(2) == [{"branches": True, "threads": 1}]
    assert ways(1) == ways(8, quiet=False) == ways(8, model=nn.Linear(3, 3)) == []
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert ways(8) == []
