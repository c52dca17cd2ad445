from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator

import dlengine
import numpy as np
import pytest
import torch
from dlengine import Callback, EngineError, Interrupted, fit, models
from torch import nn

torch.set_num_threads(1)


def clusters(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of points in four dimensions, easy to tell apart."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, samples)
    return generator.normal(size=(samples, 4)) + 4 * np.eye(4)[y], y


def small(dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def quiet(model, data, **arguments):
    return fit(model, data, **{"progress": False, "device": "cpu", **arguments})


class SigtermAt(Callback):
    """Stands for the cloud that takes the machine back."""

    number = signal.SIGTERM

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, run) -> None:
        if run.position.step == self.step:
            os.kill(os.getpid(), self.number)


class CtrlCAt(SigtermAt):
    """Stands for a user who has seen enough."""

    number = signal.SIGINT


def test_fit_learns_and_reports_what_an_independent_count_finds():
    model = small()
    x, y = clusters(200, seed=1)
    result = quiet(model, clusters(300), test=(x, y), epochs=5, batch_size=16, lr=0.05)
    with torch.no_grad():
        output = model(torch.tensor(x, dtype=torch.float32))
    assert result.test_accuracy == (output.argmax(1).numpy() == y).mean() > 0.9
    assert result.test_loss == pytest.approx(nn.functional.cross_entropy(output, torch.tensor(y)).item(), abs=1e-6)
    assert (result.epochs, result.steps, len(result.history)) == (5, 5 * 19, 5)
    assert result.samples_per_second > 0
    assert not model.training


def test_fit_is_the_textbook_loop():
    x, y = clusters(50)
    ours, theirs = small(), small()
    quiet(ours, (x, y), epochs=3, batch_size=16, lr=0.1, momentum=0.8, weight_decay=0.01, seed=7, tune="off")
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.8, weight_decay=0.01)
    for epoch in range(3):
        order = np.random.default_rng((7, epoch)).permutation(50)
        for begin in range(0, 50, 16):
            part = order[begin : begin + 16]
            optimizer.zero_grad()
            output = theirs(torch.tensor(x[part], dtype=torch.float32))
            nn.functional.cross_entropy(output, torch.tensor(y[part])).backward()
            optimizer.step()
    assert torch.equal(weights(ours), weights(theirs))


def test_training_metrics_weigh_an_uneven_last_batch_by_its_samples():
    x, y = clusters(21)
    model = small()
    row = quiet(model, (x, y), epochs=1, batch_size=8, optimizer="sgd", lr=1e-30).history[0]
    with torch.no_grad():
        output = model(torch.tensor(x, dtype=torch.float32))
    assert row["loss"] == pytest.approx(nn.functional.cross_entropy(output, torch.tensor(y)).item(), abs=1e-6)
    assert row["accuracy"] == pytest.approx((output.argmax(1).numpy() == y).mean())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("stop_at", [5, 7, 8, 23, 24])
def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(tmp_path, optimizer, stop_at):
    """8 steps an epoch: in the middle of one, in the last step of one, between two, and in and after the very last."""
    check_resumed_equals_straight(tmp_path, stop_at, epochs=3, optimizer=optimizer)


@pytest.mark.parametrize("stop_at", [10, 11])
def test_a_run_of_steps_that_was_stopped_in_the_last_one_is_completed(tmp_path, stop_at):
    check_resumed_equals_straight(tmp_path, stop_at, epochs="11ba", optimizer="sgd")


def check_resumed_equals_straight(tmp_path, stop_at, **arguments):
    arguments |= {"batch_size": 8, "schedule": "one-cycle", "test": clusters(9)}
    straight = quiet(small(dropout=0.3), clusters(60), **arguments)
    arguments["checkpoint"] = tmp_path
    with pytest.raises(Interrupted) as stopped:
        quiet(small(dropout=0.3), clusters(60), callbacks=[SigtermAt(stop_at)], **arguments)
    assert stopped.value.code == 143
    resumed = quiet(small(dropout=0.3), clusters(60), **arguments)
    assert resumed.resumed_from.startswith(str(tmp_path))
    assert torch.equal(weights(resumed.model), weights(straight.model))
    timeless = [{k: v for k, v in row.items() if k[:6] not in ("second", "sample")} for row in resumed.history]
    assert timeless == [{k: row[k] for k in timeless[0]} for row in straight.history]


def test_sigterm_without_a_checkpoint_directory_leaves_too_and_says_so(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        quiet(small(), clusters(60), callbacks=[SigtermAt(1)])
    assert "left after step 1; nothing is saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """Python's own handling of Ctrl-C: what a shell starts in the background ignores it, and tests may be there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_saves_and_the_run_goes_on_from_there_with_the_same_weights(tmp_path, capfd):
    straight = quiet(small(dropout=0.3), clusters(60))
    with pytest.raises(KeyboardInterrupt, match="left after step 7") as stopped:
        quiet(small(dropout=0.3), clusters(60), callbacks=[CtrlCAt(7)], checkpoint=tmp_path)
    assert "train/" not in "".join(frame.path.as_posix() for frame in stopped.traceback)
    said = capfd.readouterr().err
    assert "stops after this step (Ctrl-C again: at once)" in said
    assert f"told to stop (Ctrl-C): left after step 7; saved {tmp_path}" in said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = quiet(small(dropout=0.3), clusters(60), checkpoint=tmp_path)
    assert torch.equal(weights(resumed.model), weights(straight.model))


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_a_second_ctrl_c_interrupts_at_once_and_shows_where(capfd):
    class Impatient(Callback):
        def on_step(self, run) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        quiet(small(), clusters(60), callbacks=[Impatient()])
    assert stopped.traceback[-1].name == "on_step"
    assert "told to stop" not in capfd.readouterr().err


def test_a_handler_of_the_users_own_for_ctrl_c_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("own"))
    try:
        quiet(small(), clusters(60), callbacks=[CtrlCAt(1)], epochs="3ba")
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["own"]


def test_a_finished_run_is_not_repeated_and_can_be_prolonged(tmp_path):
    first = quiet(small(), clusters(60), epochs=2, checkpoint=tmp_path, test=clusters(20))
    again = quiet(small(), clusters(60), epochs=2, checkpoint=tmp_path, test=clusters(20))
    assert (again.steps, again.test_accuracy) == (first.steps, first.test_accuracy)
    assert torch.equal(weights(again.model), weights(first.model))
    longer = quiet(small(), clusters(60), epochs=3, checkpoint=tmp_path)
    assert (longer.epochs, len(longer.history)) == (3, 3)
    assert torch.equal(weights(longer.model), weights(quiet(small(), clusters(60), epochs=3).model))


def test_a_prolonged_run_goes_along_the_longer_schedule(tmp_path):
    rates = []

    class Watch(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.param_groups[0]["lr"])

    arguments = {"batch_size": 10, "lr": 1.0, "schedule": "step", "checkpoint": tmp_path, "callbacks": [Watch()]}
    quiet(small(), clusters(20), epochs=2, **arguments)
    quiet(small(), clusters(20), epochs=8, **arguments)
    assert rates == pytest.approx([1, 1, 0.1, 0.01, *[1] * 4, *[0.1] * 4, *[0.01] * 4])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 9}, "batch_size is 8 there and 9 here"),
        ({"lr": 0.3}, "lr is 0.01 there and 0.3 here"),
        ({"optimizer": "adam"}, "optimizer is 'SGD' there and 'Adam' here"),
        ({"schedule": "cosine"}, "schedule is 'constant' there and 'cosine' here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"resume": "never"}, "holds checkpoints of an earlier run"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, message):
    quiet(small(), clusters(30), epochs=1, batch_size=8, checkpoint=tmp_path)
    with pytest.raises(EngineError, match=message):
        quiet(small(), clusters(30), **{"epochs": 2, "batch_size": 8, "checkpoint": tmp_path, **change})


def test_a_checkpoint_of_another_model_names_the_difference(tmp_path):
    quiet(small(), clusters(30), epochs=1, checkpoint=tmp_path)
    wider = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Dropout(), nn.Linear(9, 3))
    with pytest.raises(EngineError, match=r"'0\.bias' is \(8,\) float32 there and \(9,\) float32 here"):
        quiet(wider, clusters(30), checkpoint=tmp_path)


def test_checkpoints_come_as_often_as_asked(tmp_path):
    quiet(small(), clusters(64), epochs=2, batch_size=8, checkpoint=tmp_path, checkpoint_every="3ba", keep=9)
    assert [path.stem[-2:] for path in sorted(tmp_path.glob("*.pt"))] == ["03", "06", "09", "12", "15", "16"]
    quiet(small(), clusters(64), epochs=4, batch_size=8, checkpoint=tmp_path / "b", checkpoint_every="2ep")
    assert [path.stem[-2:] for path in sorted((tmp_path / "b").glob("*.pt"))] == ["16", "32"]


def test_steps_as_a_length_end_inside_an_epoch():
    result = quiet(small(), clusters(64), epochs="11ba", batch_size=8)
    assert (result.steps, result.epochs, len(result.history)) == (11, 1, 2)


def test_a_callback_sees_every_step_and_can_end_the_run():
    seen = []

    class Witness(Callback):
        def on_start(self, run):
            seen.append("start")

        def on_step(self, run):
            seen.append(f"step {run.position.step}")

        def on_epoch(self, run):
            seen.append(f"epoch {run.history[-1]['epoch']}")
            run.stop()

        def on_end(self, run):
            seen.append("end")

    result = quiet(small(), clusters(16), epochs=9, batch_size=8, callbacks=[Witness()])
    assert seen == ["start", "step 1", "step 2", "epoch 1", "end"]
    assert result.epochs == 1


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", None, [1, 1, 1, 1]),
        ("constant", 0.5, [1 / 25, (1 + 1 / 25) / 2, 1, 1]),
        ("cosine", None, [1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4]),
        ("one-cycle", 0.5, [1 / 25, (1 + 1 / 25) / 2, 1, 0.5]),
        (lambda done: 1 - done, None, [1, 0.75, 0.5, 0.25]),
    ],
)
def test_the_learning_rate_follows_the_schedule(schedule, warmup, expected):
    rates = []

    class Watch(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.param_groups[0]["lr"])

    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    arguments = {"optimizer": optimizer, "schedule": schedule, "warmup": warmup, "callbacks": [Watch()]}
    quiet(model, clusters(4), epochs="4ba", batch_size=4, **arguments)
    assert rates == pytest.approx([0.5 * factor for factor in expected])
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_regression_with_a_loss_and_an_optimizer_of_ones_own():
    x = np.linspace(-1, 1, 50)[:, None]
    data = (x, 3 * x - 1)
    own = {"loss": nn.functional.mse_loss, "optimizer": lambda parameters: torch.optim.RMSprop(parameters, lr=0.05)}
    result = quiet(nn.Linear(1, 1), data, test=data, epochs=60, batch_size=10, **own)
    assert result.test_loss < 0.01
    assert result.test_accuracy is None
    assert result.history[0]["accuracy"] is None


def test_parts_that_a_user_froze_in_evaluation_mode_stay_so():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    model[1].eval()
    quiet(model, clusters(32), test=clusters(8), epochs=2)
    assert model[1].running_mean.abs().sum() == 0


def test_fit_works_outside_the_main_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(quiet(small(), clusters(20), epochs=1)))
    thread.start()
    thread.join()
    assert results[0].epochs == 1


def test_progress_is_one_line_at_the_start_and_one_an_epoch(capsys):
    fit(small(), clusters(40), clusters(10), epochs=2, batch_size=16, device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 rank on cpu, batch 16, 67 parameters, 40 training, 10 test samples, 6 steps (2ep)"
    assert lines[1].startswith("tuned: ")
    assert [line.split()[:3] for line in lines[2:]] == [["epoch", "1/2", "loss"], ["epoch", "2/2", "loss"]]
    assert all("train acc" in line and "test acc" in line and "samples/s" in line for line in lines[2:])
    quiet(models.mlp(4, (), 3), clusters(40), epochs=1)
    assert capsys.readouterr().out == ""


def test_the_same_seed_gives_the_same_weights_whatever_happened_before():
    runs = []
    for noise in range(2):
        torch.manual_seed(99 + noise)
        model = models.mlp(4, (8,), 3)
        model.append(nn.Dropout(0.5))
        runs.append(weights(quiet(model, clusters(40), epochs=2).model))
    assert torch.equal(*runs)
    assert dlengine.fit is fit
