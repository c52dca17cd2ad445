"""What happens within a step: micro-batches, full memory, precision, clipping, gradients that are no numbers."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from dlengine import Callback, EngineError, fit
from torch import nn

torch.set_num_threads(1)
PLAIN = {"progress": False, "device": "cpu", "tune": "off"}


def points(samples: int = 50) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, samples)
    return generator.normal(size=(samples, 4)) + 2 * np.eye(4)[y], y


def net(*extra: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), *extra, nn.Tanh(), nn.Linear(8, 3))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def trained(model: nn.Module, data: object = None, **arguments) -> torch.Tensor:
    given = {"epochs": 3, "batch_size": 16, "lr": 0.1, **PLAIN, **arguments}
    return weights(fit(model, points() if data is None else data, **given).model)


@pytest.mark.parametrize("micro", [1, 5, 15, 16, 99])
def test_micro_batches_end_with_the_weights_and_metrics_of_whole_ones(micro):
    whole = fit(net(), points(), points(9), epochs=3, batch_size=16, lr=0.1, clip_norm=0.3, **PLAIN)
    parts = fit(net(), points(), points(9), epochs=3, batch_size=16, lr=0.1, clip_norm=0.3, micro_batch=micro, **PLAIN)
    assert (weights(parts.model) - weights(whole.model)).abs().max() < 1e-6
    for ours, theirs in zip(parts.history, whole.history, strict=True):
        for name in ("loss", "accuracy", "test_loss", "test_accuracy"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5)


class Hungry(nn.Module):
    """A layer that needs more memory than there is when more than `most` samples come at once, from call `after` on."""

    def __init__(self, most: int, error: Exception, after: int = 0) -> None:
        super().__init__()
        self.most, self.error, self.after, self.calls, self.seen = most, error, after, 0, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.training:
            self.seen.append(len(x))
        if len(x) > self.most and self.calls > self.after:
            raise self.error
        return x


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("could not create a primitive"),
    MemoryError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_full_memory_halves_the_micro_batch_and_says_so_once(error, capsys):
    hungry = Hungry(5, error)
    model = net(nn.Dropout(0.4), hungry, nn.BatchNorm1d(8))
    result = fit(model, points(48), epochs=2, batch_size=16, lr=0.1, **PLAIN)
    said = (
        "dlengine: out of memory: goes on with 4 samples at a time (micro_batch=4); BatchNorm sees no more than these\n"
    )
    assert capsys.readouterr().err == said
    assert hungry.seen == [16, 8, *[4] * 24]
    expected = net(nn.Dropout(0.4), Hungry(5, error), nn.BatchNorm1d(8))
    planned = fit(expected, points(48), epochs=2, batch_size=16, lr=0.1, micro_batch=4, **PLAIN)
    # Random numbers and running statistics are those of a run that had begun with the smaller micro-batch.
    assert torch.equal(weights(result.model), weights(planned.model))
    assert [row["loss"] for row in result.history] == [row["loss"] for row in planned.history]


def test_full_memory_in_the_middle_of_a_step_forgets_its_first_half(capsys):
    late = trained(net(nn.Dropout(0.4), Hungry(3, ERRORS[0], after=5)), micro_batch=6, epochs=1)
    assert "goes on with 3 samples" in capsys.readouterr().err
    assert late.isfinite().all()
    # Without random numbers the micro-batch must not matter at all.
    calm = trained(net(Hungry(3, ERRORS[0], after=5)), micro_batch=6)
    assert (calm - trained(net())).abs().max() < 1e-6


def test_full_memory_in_evaluation_is_survived():
    class HungryOutside(Hungry):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if self.training else super().forward(x)

    model = net(HungryOutside(4, ERRORS[1]))
    result = fit(model, points(), points(33), epochs=1, batch_size=16, **PLAIN)
    expected = fit(net(), points(), points(33), epochs=1, batch_size=16, **PLAIN).test_loss
    assert result.test_loss == pytest.approx(expected, abs=1e-6)


def test_memory_too_small_for_one_sample_is_an_error_and_other_errors_stay_what_they_are():
    with pytest.raises(EngineError, match="out of memory with a single sample"):
        trained(net(Hungry(0, ERRORS[0], after=1)))
    for message in ("something else", "could not create a primitive descriptor for a convolution"):
        with pytest.raises(RuntimeError, match=message):
            trained(net(Hungry(0, RuntimeError(message), after=1)))


def test_a_resumed_run_keeps_the_micro_batch_that_the_memory_allows(tmp_path):
    fit(net(Hungry(5, ERRORS[0])), points(48), epochs=1, batch_size=16, checkpoint=tmp_path, **PLAIN)
    hungry = Hungry(5, ERRORS[0])
    fit(net(hungry), points(48), epochs=2, batch_size=16, checkpoint=tmp_path, **PLAIN)
    assert hungry.seen == [4] * 12


def test_clipping_is_that_of_torch():
    for arguments, clip in (
        ({"clip_norm": 0.05}, lambda p: nn.utils.clip_grad_norm_(p, 0.05)),
        ({"clip_value": 0.01}, lambda p: nn.utils.clip_grad_value_(p, 0.01)),
    ):
        ours, theirs = net(), net()
        trained(ours, epochs=1, seed=4, **arguments)
        optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
        order = np.random.default_rng((4, 0)).permutation(50)
        x, y = (torch.tensor(part) for part in points())
        for begin in range(0, 50, 16):
            part = order[begin : begin + 16]
            optimizer.zero_grad()
            nn.functional.cross_entropy(theirs(x[part].float()), y[part]).backward()
            clip(theirs.parameters())
            optimizer.step()
        assert (weights(ours) - weights(theirs)).abs().max() < 1e-6


class Root(nn.Module):
    """Finite forwards, infinite backwards where the input is 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=0).sqrt()


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_a_gradient_that_is_no_number_is_named_before_the_weights_change(clip):
    model = nn.Sequential(nn.Linear(4, 8), Root(), nn.Linear(8, 3))
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    before = weights(model)
    with pytest.raises(EngineError, match=r"gradient of '0\.weight' is (nan|infinite), while the loss is finite"):
        trained(model, **clip)
    assert torch.equal(weights(model), before)


def test_a_gradient_of_weights_without_a_bias_or_with_two_owners_is_seen():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.second = nn.Linear(4, 4)
            self.second.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x)) + Root()(0 * self.first.weight).sum()

    bare = nn.Sequential(nn.Linear(4, 8, bias=False), Root(), nn.Linear(8, 3))
    nn.init.zeros_(bare[0].weight)
    for model, name in ((bare, r"0\.weight"), (Tied(), r"first\.weight")):
        with pytest.raises(EngineError, match=f"gradient of '{name}' is (nan|infinite)"):
            trained(model)


def test_weights_that_are_broken_all_the_same_are_named():
    class Break(Callback):
        def on_step(self, run):
            with torch.no_grad():
                run.model[0].weight[0, 0] = float("nan")

    with pytest.raises(EngineError, match=r"the loss became nan in step 2 .*: '0\.weight' holds numbers that are not"):
        trained(net(), callbacks=[Break()])


def test_a_parameter_without_a_gradient_or_a_sparse_one_is_no_trouble():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Flatten(), nn.Linear(12, 3))
    x = np.random.default_rng(0).integers(0, 10, (40, 3))
    result = fit(model, (x, x[:, 0] % 3), epochs=20, batch_size=8, lr=0.3, momentum=0.0, **PLAIN)
    assert result.history[-1]["accuracy"] > 0.9


@pytest.mark.parametrize("precision", ["bf16", "fp16", "auto"])
def test_half_precision_learns_and_keeps_float32_weights(precision):
    kinds = []

    class Watch(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kinds.append(x.dtype)
            return x

    model = net(Watch())
    result = fit(model, points(200), points(50), epochs=6, batch_size=16, lr=0.1, precision=precision, **PLAIN)
    assert result.test_accuracy > 0.75
    assert model[0].weight.dtype == torch.float32
    expected = {"bf16": torch.bfloat16, "fp16": torch.float16, "auto": torch.float32}[precision]
    assert kinds[-1] == expected


def test_fp16_skips_steps_that_overflow_lowers_the_scale_and_resumes_exactly(tmp_path):
    scales = []

    class Watch(Callback):
        def __init__(self, stop: int = 0) -> None:
            self.last = stop

        def on_step(self, run):
            scales.append(run.stepper.precision.state()["scale"])
            if run.position.step == self.last:
                run.stop()

    arguments = {
        "precision": "fp16",
        "epochs": 3,
        "batch_size": 8,
        "loss": lambda o, y: 300 * nn.functional.cross_entropy(o, y),
    }
    arguments |= {"lr": 0.0003}
    straight = trained(net(), callbacks=[Watch()], **arguments)
    assert scales[0] < 65536
    trained(net(), callbacks=[Watch(9)], checkpoint=tmp_path, **arguments)
    assert torch.equal(trained(net(), checkpoint=tmp_path, **arguments), straight)


def test_fp16_that_never_is_finite_is_an_error():
    model = nn.Sequential(nn.Linear(4, 8), Root(), nn.Linear(8, 3))
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    with pytest.raises(EngineError, match="not finite in fp16, however small"):
        trained(model, epochs=50, precision="fp16")


class OneBatch:
    """A data set that fails when the batch before is still held while the next one is made."""

    def __init__(self):
        self.x, self.y = (torch.as_tensor(part) for part in points())
        self.before = None

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.before is None or self.before() is None
        x = self.x[torch.as_tensor(indices)].float()
        if len(x) > 2:  # fit keeps the two samples that it looks at before training
            self.before = weakref.ref(x)
        return x, self.y[torch.as_tensor(indices)].clone()


def test_a_batch_is_gone_before_the_next_one_is_made():
    data = OneBatch()
    trained(net(), data)
    assert data.before is not None
