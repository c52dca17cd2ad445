"""CUDA graphs: what may be replayed, what is, and what goes through the model. The graph itself is a stand-in."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace

import pytest
import torch
from dlengine import fit, models
from dlengine.tune import PLAIN, choice, graph, prepare, prepared
from dlengine.tune.branches import Parallel
from dlengine.tune.graph import Graphed, fits
from torch import nn

torch.set_num_threads(1)
SEEN: list[torch.Tensor] = []


def capture(module: nn.Module, sample: tuple[torch.Tensor]):
    """Like torch.cuda.make_graphed_callables: rehearsals, then outputs and gradients that each replay writes over."""
    given = sample[0].clone()
    trained = [one for one in module.parameters() if one.requires_grad]
    for _ in range(3):
        output = module(given)
        torch.autograd.grad(output.sum(), trained)
    shown, slopes = output.detach().clone(), [torch.empty_like(one) for one in trained]

    class Replay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, *weights):
            given.copy_(x)
            with torch.enable_grad():
                ctx.output = module(given)
            return shown.copy_(ctx.output.detach()).detach()

        @staticmethod
        def backward(ctx, gradient):
            for into, found in zip(slopes, torch.autograd.grad(ctx.output, trained, gradient), strict=True):
                into.copy_(found)
            return None, *(one.detach() for one in slopes)

    return lambda x: Replay.apply(x, *trained)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


def graphed(model: nn.Module) -> Graphed:
    return Graphed(model, torch.randn(4, 6), lambda: torch.autocast("cpu", enabled=False), capture=capture)


def test_recording_leaves_statistics_gradients_and_random_numbers_as_they_were():
    model = network()
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    Graphed(model, torch.ones(4, 6), lambda: torch.autocast("cpu", enabled=False), capture=capture)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(one.grad is None for one in model.parameters())
    assert not any("forward" in vars(layer) for layer in model.modules())


def test_fit_replays_whole_batches_calls_the_rest_and_learns_the_same_to_the_bit(monkeypatch):
    x, y = torch.randn(10, 6), torch.arange(10) % 3
    weights, counts = [], []

    class Counted(Graphed):
        def __init__(self, module, sample, cast):
            super().__init__(module, sample, cast, capture=capture)
            counts.append(self)

    monkeypatch.setattr(graph, "Graphed", Counted)
    for plan in (PLAIN, replace(PLAIN, graph=True)):
        monkeypatch.setattr("dlengine.train.tuned.choose", lambda *_, plan=plan, **__: plan)
        model = network()
        fit(model, (x, y), epochs=3, batch_size=4, lr=0.1, device="cpu", progress=False)
        weights.append(torch.cat([value.flatten().double() for value in model.state_dict().values()]))
    assert torch.equal(*weights)
    assert [each.replays for each in counts] == [6]  # two whole batches an epoch; the third has two samples


def test_gradients_that_are_there_are_added_to_and_not_overwritten():
    model, x = network(), torch.randn(4, 6)
    found = []
    for call in (model, graphed(model)):
        model.zero_grad()
        for part in (x, x + 1):
            call(part).square().sum().backward()
        found.append([one.grad.clone() for one in model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_an_output_is_ones_own():
    call = graphed(network())
    first = call(torch.ones(4, 6))
    before = first.clone()
    call(torch.zeros(4, 6))
    assert call.replays == 2
    assert torch.equal(first, before)


def smaller(model, x):
    return x[:3]


def frozen(model, x):
    model[0].weight.requires_grad_(False)
    return x


def moved(model, x):
    model[0].weight.data = model[0].weight.data.clone()
    return x


def mode(model, x):
    model[1].eval()
    return x


def hooked(model, x):
    model[2].register_forward_hook(lambda *_: SEEN.append(_[2]))
    return x


def wants_gradient(model, x):
    return x.requires_grad_()


def other_type(model, x):
    model.double()
    return x.double()


@pytest.mark.parametrize("change", [smaller, frozen, moved, mode, hooked, wants_gradient, other_type])
def test_what_is_not_as_it_was_recorded_goes_through_the_model(change):
    model = network()
    call, x = graphed(model), torch.randn(4, 6)
    call(x)
    x = change(model, x)
    assert torch.equal(call(x), model(x))
    assert call.replays == 1


def test_without_gradients_and_under_another_autocast_it_goes_through_the_model():
    model = network()
    call, x = graphed(model), torch.randn(4, 6)
    with torch.no_grad():
        call(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert call(x).dtype == torch.bfloat16
    assert call.replays == 0


class Prints(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print(x.shape)
        return super().forward(x)


class Counts(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls = 1
        return super().forward(x)


class Collects(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.note(super().forward(x))

    def note(self, x: torch.Tensor) -> torch.Tensor:
        SEEN.append(x)
        return x


class Remembers(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return super().forward(x)


class Throws(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if random.random() < 0.5 else x


class DrawsOutside(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * torch.rand(1).item()


class Decides(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.sum() > 0 else x


class Warns(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        warnings.warn("seen", stacklevel=1)
        return super().forward(x)


@pytest.mark.parametrize("layer", [Prints, Counts, Collects, Remembers, Throws, DrawsOutside, Decides, Warns])
def test_code_that_does_more_than_compute_is_neither_replayed_nor_run_in_branches(layer):
    assert not fits(layer(6, 6))
    assert Parallel.of(Split(layer(6, 6))) is None
    assert Parallel.of(Split(nn.Linear(6, 6))) is not None


class Split(nn.Module):
    def __init__(self, one: nn.Module) -> None:
        super().__init__()
        self.one, self.two = one, nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.two(x)


def test_hooks_random_layers_and_trained_buffers_are_not_replayed():
    hooked = network()
    hooked[0].register_forward_pre_hook(lambda *_: None)
    buffered = network()
    buffered.register_buffer("trained", torch.ones(3, requires_grad=True))
    assert not any(map(fits, (hooked, buffered, nn.Sequential(network(), nn.Dropout(0.1)))))
    assert fits(network())


@pytest.mark.parametrize("make", [models.lenet, models.inception_bn, lambda: models.resnet(18), models.gpt])
def test_the_models_that_come_along_can_be_replayed(make):
    with torch.device("meta"):
        assert fits(make() if make is not models.gpt else models.gpt("tiny"))


def test_where_recording_fails_the_model_is_called_and_the_plan_does_not_claim_it():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made, plan = prepared(replace(PLAIN, graph=True, fused=True), model, torch.ones(4, 6))  # there is no CUDA here
    if not torch.cuda.is_available():
        assert made is model
        assert plan == replace(PLAIN, fused=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_on_a_gpu_graphs_and_branches_in_graphs_are_measured_where_the_model_allows_it():
    device = torch.device("cuda")
    branching = Split(nn.Linear(6, 6))
    drops = nn.Sequential(Split(nn.Linear(6, 6)), nn.Dropout(0.1))
    assert choice.recordings(network(), device) == [{"graph": True}]
    assert choice.recordings(branching, device) == [{"graph": True}, {"branches": True, "graph": True}]
    assert choice.recordings(drops, device) == [{"branches": True, "graph": False}]


def test_branches_are_recorded_inside_the_graph(monkeypatch):
    monkeypatch.setattr(graph.torch.cuda, "make_graphed_callables", capture)
    model = Split(nn.Linear(6, 6))
    made, plan = prepare.prepared(replace(PLAIN, branches=True, graph=True), model, torch.ones(4, 6))
    assert isinstance(made, Graphed)
    assert isinstance(made.module, Parallel)
    assert plan.describe() == "branches together, CUDA graph"
    assert torch.equal(made(torch.ones(4, 6)), model(torch.ones(4, 6)))
    assert made.replays == 1
