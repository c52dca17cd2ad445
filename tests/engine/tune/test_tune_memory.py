"""The memory of a step: forecast without allocating it, and kept below a budget."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from dlengine import EngineError, fit, memory, models
from dlengine.tune.apply import channels_last
from dlengine.tune.budget import fit_into
from dlengine.tune.bytes import parse, size
from dlengine.tune.forecast import _step
from dlengine.tune.recompute import blocks, recomputing
from torch import nn

torch.set_num_threads(1)
MIB = 2**20


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def entropy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(output.flatten(0, -2), y.flatten())


def measured(model: nn.Module, batch, again=(), micro=None) -> int:
    """The peak of a second step, from torch's record of what its CPU allocator did."""
    optimizer = sgd(model)
    with recomputing(model, again):
        _step(model, optimizer, entropy, batch, micro)
        optimizer.zero_grad()
        kept = [*model.parameters(), *model.buffers(), *batch]
        kept += [value for state in optimizer.state.values() for value in state.values()]
        now = peak = sum(tensor.nbytes for tensor in kept)
        with torch.profiler.profile(profile_memory=True) as profile:
            _step(model, optimizer, entropy, batch, micro)
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(32, 32, dtype=torch.long), torch.zeros(32, 32, dtype=torch.long)


def images(count: int, channels: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(count, channels, width, width), torch.zeros(count, dtype=torch.long)


CASES = {
    "mlp": (models.mlp, (torch.rand(128, 784), torch.zeros(128, dtype=torch.long))),
    "lenet": (models.lenet5, images(64, 1, 32)),
    "gpt": (lambda: models.gpt("tiny", layers=1), tokens()),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("again", "micro"), [(False, None), (True, None), (False, 16)])
def test_the_forecast_is_within_two_percent_of_what_the_allocator_did(name, again, micro):
    make, batch = CASES[name]
    model = make()
    parts = blocks(model) if again else []
    found = memory.forecast(model, batch, sgd(model), loss=entropy, recompute=parts, micro_batch=micro)
    assert found.peak == pytest.approx(measured(model, batch, parts, micro), rel=0.02)


def vgg() -> nn.Module:
    """VGG-11 for images of 32 pixels, whose last convolutions see two by two of them."""
    return nn.Sequential(models.vgg(11).features, nn.Flatten(), nn.Linear(512, 10))


LARGE = {
    "inception": (lambda: models.inception_v1(lrn=False, dropout=0.0), images(16, 3, 112)),
    "inception-bn": (models.inception_bn, images(8, 3, 64)),
    "resnet-18": (lambda: models.resnet(18), images(16, 3, 64)),
    "resnet-18 of 32 pixels": (lambda: models.resnet(18), images(64, 3, 32)),
    "resnet-50": (lambda: models.resnet(50), images(8, 3, 64)),
    "resnet-34, version 2": (lambda: models.resnet(34, version=2), images(16, 3, 32)),
    "vgg": (vgg, images(8, 3, 32)),
    "alexnet": (lambda: models.alexnet(classes=10), images(8, 3, 224)),
    "gpt": (lambda: models.gpt("tiny"), tokens()),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("order", ["plain", "channels_last"])
@pytest.mark.parametrize("name", LARGE)
def test_the_forecast_of_large_models_is_within_two_percent(name, order):
    make, batch = LARGE[name]
    model = make()
    with channels_last(model) if order == "channels_last" else nullcontext():
        for again, micro in ((False, None), (True, None), (False, 4)):
            parts = blocks(model) if again else []
            found = memory.forecast(model, batch, sgd(model), loss=entropy, recompute=parts, micro_batch=micro)
            assert found.peak == pytest.approx(measured(model, batch, parts, micro), rel=0.02)


def test_images_of_one_channel_in_channels_last_are_within_two_percent():
    """Their strides alone tell the order: it is not both the plain one and channels_last."""
    make, batch = CASES["lenet"]
    model = make()
    with channels_last(model):
        found = memory.forecast(model, batch, sgd(model))
        assert found.peak == pytest.approx(measured(model, batch), rel=0.02)


NARROW = """
import torch
from dlengine import memory
from test_tune_memory import CASES, measured, sgd

assert torch.backends.cpu.get_cpu_capability() == "AVX2"
make, batch = CASES["lenet"]
model = make()
print(memory.forecast(model, batch, sgd(model)).peak / measured(model, batch))
"""


@pytest.mark.slow
def test_a_processor_without_avx512_takes_less_and_is_forecast_as_well():
    if "AVX512" not in torch.backends.cpu.get_cpu_capability():
        pytest.skip("this processor has none: the other tests are about it")
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", NARROW], cwd=Path(__file__).parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1, rel=0.02)


def test_kernels_that_are_higher_than_their_image_are_within_two_percent():
    """oneDNN then adds up the weights' gradient in extra memory, for each thread."""
    model = nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.Flatten())
    batch = images(8, 3, 5)
    found = memory.forecast(model, batch, sgd(model))
    assert found.peak == pytest.approx(measured(model, batch), rel=0.02)


def test_a_forecast_leaves_the_model_and_the_optimizer_as_they_are():
    model = models.mlp()
    optimizer = sgd(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    text = str(memory.forecast(model, CASES["mlp"][1], optimizer))
    assert text.startswith("8.298 MiB (parameters 2.555 MiB, gradients 2.555 MiB, optimizer 2.555 MiB")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not optimizer.state
    assert torch.equal(random, torch.get_rng_state())


def test_a_model_that_reads_values_cannot_be_forecast_and_says_so():
    class Reads(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) if x.sum() > 0 else x

    with pytest.raises(EngineError, match="does not run on shapes alone"):
        memory.forecast(Reads(4, 4), (torch.rand(2, 4), torch.zeros(2, dtype=torch.long)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *[Residual() for _ in range(4)], *head)


def test_computing_again_gives_the_same_weights_and_running_statistics_bit_for_bit():
    found = []
    for chosen in ([], blocks(network())):
        model = network()
        optimizer = sgd(model)
        x, y = images(6, 1, 12)
        torch.manual_seed(1)
        with recomputing(model, chosen):
            for _ in range(4):
                _step(model, optimizer, entropy, (x.fill_(0.5), y), None)
        assert not any("forward" in vars(module) for module in model.modules())
        found.append(model.state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_the_parts_are_neighbours_in_sequentials_and_modules_of_lists():
    assert [tuple(part) for part in blocks(network())] == [
        ("", 0, 2), ("", 2, 3), ("", 3, 4), ("", 4, 5), ("", 5, 6), ("", 6, 9),
    ]  # fmt: skip
    assert [part.name for part in blocks(models.gpt("tiny"))] == ["blocks"] * 4


def test_micro_batches_come_first_and_only_when_they_are_needed():
    model, batch = models.mlp(16, (256, 256)), (torch.rand(512, 16), torch.zeros(512, dtype=torch.long))
    whole = memory.forecast(model, batch, sgd(model)).peak
    assert fit_into(whole, model, batch, sgd(model)).micro is None
    fitted = fit_into(int(0.9 * whole), model, batch, sgd(model))
    assert fitted.forecast.peak <= 0.9 * whole
    assert (fitted.micro, fitted.recompute) == (256, ())


def test_with_batch_norm_as_few_parts_as_needed_are_computed_again_first():
    model = network()
    batch = images(16, 1, 32)
    whole = memory.forecast(model, batch, sgd(model)).peak
    fitted = fit_into(int(0.8 * whole), model, batch, sgd(model))
    assert fitted.micro is None
    assert 0 < len(fitted.recompute) < len(blocks(model))
    assert fitted.describe().endswith(f"{len(fitted.recompute)} of 6 parts computed again in the backward pass")


def test_a_budget_that_cannot_be_met_names_the_least_possible():
    model = models.mlp()
    with pytest.raises(EngineError, match=r"does not fit 1 MiB: the least possible is .* MiB, of which 7\.664 MiB are"):
        fit_into(MIB, model, (torch.rand(4, 784), torch.zeros(4, dtype=torch.long)), sgd(model))


def test_fit_meets_a_budget_says_how_and_learns_the_same(capsys):
    x, y = torch.rand(64, 1, 32, 32), torch.arange(64) % 10
    trained = []
    for budget in (None, "2MiB"):
        model = models.lenet5()
        fit(model, (x, y), epochs=1, batch_size=32, device="cpu", memory=budget, lr=0.01)
        trained.append(nn.utils.parameters_to_vector(model.parameters()))
    said = capsys.readouterr().out
    assert "memory: a step takes" in said
    assert "of 2 MiB: 16 samples at a time" in said
    torch.testing.assert_close(*trained, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"), [("8GiB", 8 << 30), ("500 MB", 5 * 10**8), (1234, 1234), ("1.5kib", 1536)]
)
def test_bytes_are_read(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "8TiBs", "0", "8 lines", None, float("nan")])
def test_what_is_no_number_of_bytes_is_refused(text):
    with pytest.raises(EngineError, match="memory="):
        parse(text)


def test_bytes_are_written():
    assert [size(each) for each in (8, 39940000, 9 << 30)] == ["8 B", "38.09 MiB", "9 GiB"]
