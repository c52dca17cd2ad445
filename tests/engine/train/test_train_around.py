"""Around a run: predict and score, a loop of one's own, files of the history, the line on a terminal."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import sys

import dlengine
import numpy as np
import pytest
import torch
from dlengine import Callback, EngineError, Interrupted, Loop, fit, predict, score
from dlengine.train import CSVLogger, JSONLogger, TensorBoard
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
PLAIN = {"progress": False, "device": "cpu"}
GENERATOR = np.random.default_rng(0)
Y = GENERATOR.integers(0, 3, 50)
X = (GENERATOR.normal(size=(50, 4)) + 2 * np.eye(4)[Y]).astype(np.float32)


def net(dropout: float = 0.2) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 3))


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def test_predict_gives_outputs_in_order_from_any_source_and_leaves_the_model_as_it_was():
    model = net().train()
    before = weights(model)
    with torch.no_grad():
        expected = model.eval()(torch.tensor(X))
    model.train()
    model[1].eval()
    loader = DataLoader(TensorDataset(torch.tensor(X)), batch_size=7)
    for source in (X, torch.tensor(X), X.astype(np.float64), (X, Y), dlengine.data.Dataset(X, Y), [X, Y]):
        assert torch.allclose(predict(model, source, batch_size=7), expected, atol=1e-6)
    assert torch.allclose(predict(model, ((part[0], part[0]) for part in loader)), expected, atol=1e-6)
    assert (model.training, model[1].training, model[2].training) == (True, False, True)
    assert torch.equal(weights(model), before)


def test_score_is_what_fit_reports_and_weighs_uneven_batches():
    model = net()
    result = fit(model, (X, Y), (X, Y), metrics=["accuracy", "f1"], **PLAIN)
    loader = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=7)
    for source in ((X, Y), loader, iter(loader), dlengine.data.Loader(dlengine.data.Dataset(X, Y), 7)):
        found = score(model, source, ["accuracy", "f1"], batch_size=9)
        assert found == pytest.approx({name: result.history[-1][f"test_{name}"] for name in ("loss", "accuracy", "f1")})
    assert set(score(model, (X, Y))) == {"loss", "accuracy"}
    values = np.ones((50, 3), np.float32)
    assert set(score(model, (X, values), "rmse", loss="mse")) == {"loss", "rmse"}


def test_predict_and_score_refuse_what_does_not_fit():
    with pytest.raises(EngineError, match=r"layer '0' .* wants inputs of shape \(N, ..., 4\) and got \(N, 5\)"):
        predict(net(), np.ones((3, 5), np.float32))
    with pytest.raises(EngineError, match="nothing to predict"):
        predict(net(), X[:0])
    with pytest.raises(EngineError, match="did you mean 'accuracy'"):
        score(net(), (X, Y), "accurracy")
    with pytest.raises(EngineError, match=r"output has shape \(2, 3\) and the targets \(2,\)"):
        score(net(), (X, Y), loss="mse")
    with pytest.raises(EngineError, match="label 9 is out of range, with 3 classes"):
        score(net(), (X, np.where(np.arange(len(Y)) == len(Y) - 1, 9, Y)), batch_size=16)
    with pytest.raises(EngineError, match="the data is empty"):
        score(net(), iter([]))


ARGUMENTS = {"epochs": 3, "batch_size": 16, "optimizer": "adamw", "schedule": "cosine", "clip_norm": 1.0, **PLAIN}


def looped(model: nn.Module, *, stop: int | None = None, **arguments) -> list[dict[str, object]]:
    with Loop(model, (X, Y), (X, Y), **ARGUMENTS, **arguments) as loop:
        for x, y in loop:
            output = loop.forward(x)
            loop.step(nn.functional.cross_entropy(output, y), output)
            if loop.run.position.step == stop:
                os.kill(os.getpid(), signal.SIGTERM)
    return loop.history


def timeless(history: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if "second" not in name} for row in history]


def test_a_loop_of_ones_own_does_what_fit_does():
    ours, theirs = net(), net()
    history = looped(ours)
    result = fit(theirs, (X, Y), (X, Y), tune="off", **ARGUMENTS)
    assert torch.equal(weights(ours), weights(theirs))
    assert timeless(history) == timeless(result.history)
    assert not ours.training


def test_a_loop_of_ones_own_resumes_exactly_after_a_notice(tmp_path):
    straight = net()
    looped(straight)
    with pytest.raises(Interrupted):
        looped(net(), stop=5, checkpoint=tmp_path)
    resumed = net()
    history = looped(resumed, checkpoint=tmp_path)
    assert torch.equal(weights(resumed), weights(straight))
    assert [row["epoch"] for row in history] == [1, 2, 3]


def test_a_loop_of_ones_own_says_what_is_missing():
    with pytest.raises(EngineError, match=r"no argument 'epoch'\n.*did you mean 'epochs'"):
        Loop(net(), (X, Y), epoch=3)
    with pytest.raises(EngineError, match="the loop was not entered"):
        next(iter(Loop(net(), (X, Y), **PLAIN)))
    with Loop(net(), (X, Y), **PLAIN) as loop, pytest.raises(EngineError, match="no step was made"):
        for _ in loop:
            pass
    with Loop(net(), (X, Y), **PLAIN) as loop:
        for x, y in loop:
            loss = nn.functional.cross_entropy(loop.forward(x), y)
            with pytest.raises(EngineError, match="no single number"):
                loop.step(torch.ones(3))
            break
        with pytest.raises(EngineError, match="step without a new batch"):
            loop.step(loss)
    with Loop(net(), (X, Y), **PLAIN) as loop:
        x, _ = next(iter(loop))
        with pytest.raises(EngineError, match="the loss became nan in step 1"):
            loop.step(loop.forward(x).sum() * float("nan"))


class StopAt(Callback):
    def on_step(self, run):
        if run.position.step == 5:
            run.stop()


@pytest.mark.parametrize("kind", [CSVLogger, JSONLogger])
def test_the_history_is_a_file_also_after_a_resume(kind, tmp_path):
    file = tmp_path / "logs" / "history"
    arguments = {"batch_size": 16, "checkpoint": tmp_path / "c", **PLAIN}
    fit(net(), (X, Y), (X, Y), epochs=9, callbacks=[kind(file), StopAt()], **arguments)
    result = fit(net(), (X, Y), (X, Y), epochs=4, callbacks=[kind(file)], **arguments)
    text = file.read_text()
    rows = list(csv.DictReader(text.splitlines())) if kind is CSVLogger else [json.loads(x) for x in text.splitlines()]
    assert [int(row["step"]) for row in rows] == [row["step"] for row in result.history]
    assert [float(row["test_loss"]) for row in rows] == [row["test_loss"] for row in result.history]
    (tmp_path / "taken").mkdir()
    with pytest.raises(EngineError, match="cannot be written"):
        fit(net(), (X, Y), callbacks=[kind(tmp_path / "taken")], **PLAIN)


def test_tensorboard_gets_every_number(tmp_path):
    events = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    result = fit(net(), (X, Y), (X, Y), epochs=2, batch_size=16, callbacks=[TensorBoard(tmp_path, every=3)], **PLAIN)
    found = events.EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in found.Scalars("step/loss")] == [3, 6]
    for name in ("loss", "accuracy", "test_loss", "test_accuracy", "lr", "samples_per_second"):
        assert [event.value for event in found.Scalars(name)] == pytest.approx([row[name] for row in result.history])


def test_tensorboard_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(EngineError, match=r"needs the package tensorboard\n.*pip install tensorboard"):
        TensorBoard("logs")


def test_a_terminal_sees_a_moving_line_and_a_pipe_does_not(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    fit(net(), (X, Y), epochs=2, batch_size=16, device="cpu")
    moving = capsys.readouterr().out
    assert "\r\x1b[Kstep 1/8  loss " in moving
    assert " samples/s  " in moving
    assert moving.count("\n") == len(
        [line for line in moving.splitlines() if "epoch" in line or "rank" in line or "tuned" in line]
    )
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    fit(net(), (X, Y), epochs=2, batch_size=16, device="cpu")
    assert "\r" not in capsys.readouterr().out


def test_metrics_of_ones_own_stand_in_the_history_and_on_the_line(capsys):
    def margin(output, target):
        return output.softmax(1).max(1).values.mean()

    result = fit(net(), (X, Y), (X, Y), epochs=1, metrics=["top-2", margin], device="cpu")
    row = result.history[0]
    assert row["test_top-2"] > row["top-2"] / 2 > 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert f"test top-2 {row['test_top-2']:.4f}  test margin {row['test_margin']:.4f}" in line
    assert row["accuracy"] is None


def test_a_setup_may_be_changed_before_the_run_exists():
    class Rewrite(Callback):
        def on_setup(self, setup):
            setup.forward = nn.Sequential(setup.model, nn.Identity())
            setup.settings.clip_norm = 0.1
            setup.callbacks.append(StopAt())

    result = fit(net(), (X, Y), epochs=9, batch_size=16, callbacks=[Rewrite()], tune="off", **PLAIN)
    assert result.steps == 6
    assert isinstance(result.model[0], nn.Linear)
