from __future__ import annotations

import numpy as np
import pytest
import torch
from dlengine import Callback, EarlyStop, EngineError, fit
from dlengine.train.best import Judge, judge
from dlengine.train.metrics import build
from torch import nn

ROWS = [{"test_loss": value} for value in (1.0, 0.8, 0.79, float("nan"), 0.9, 0.7, 0.95)]
PLAIN = {"progress": False, "device": "cpu"}


@pytest.mark.parametrize(
    ("higher", "min_delta", "patience", "best", "ends"),
    [
        (False, 0.0, 3, 5, None),
        (False, 0.0, 2, 2, 5),
        (False, 0.15, 3, 1, 5),
        (True, 0.0, 3, 0, 4),
        (False, 0, 9, 5, None),
    ],
)
def test_the_best_row_and_the_end_follow_from_the_history(higher, min_delta, patience, best, ends):
    one = Judge("test_loss", higher, EarlyStop(patience, min_delta))
    found = [count for count in range(1, len(ROWS) + 1) if one.enough(ROWS[:count])]
    assert (found[0] if found else None) == ends
    assert one.best(ROWS[: ends or len(ROWS)]) == best


def test_what_is_watched_by_default_and_which_way_is_better():
    metrics = build(["accuracy", "mae"])
    assert judge(None, None, metrics, tested=True) is None
    assert judge(None, 3, metrics, tested=True).key == "test_loss"
    assert judge(None, 3, metrics, tested=False).key == "loss"
    assert judge("test_accuracy", None, metrics, tested=True).higher
    assert not judge("mae", None, metrics, tested=True).higher
    with pytest.raises(EngineError, match="did you mean 'test_accuracy'"):
        judge("test_acuracy", 3, metrics, tested=True)
    with pytest.raises(EngineError, match="monitor='test_loss' without test data"):
        judge("test_loss", 3, metrics, tested=False)
    with pytest.raises(EngineError, match="early_stop='soon'"):
        judge(None, "soon", metrics, tested=False)
    with pytest.raises(EngineError, match="patience=0"):
        EarlyStop(0)


class Spoil(Callback):
    """Makes the model worse from one epoch on, and notes its weights after each."""

    def __init__(self, epoch: int) -> None:
        self.epoch, self.after = epoch, []

    def on_epoch(self, run):
        self.after.append(weights(run.model))
        if len(run.history) >= self.epoch:
            with torch.no_grad():
                run.model[-1].bias += torch.tensor([3.0, 0.0, -3.0]) * len(run.history)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def points() -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(60) % 3
    return np.random.default_rng(0).normal(size=(60, 4)) + 2 * np.eye(4)[y], y


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))


@pytest.mark.parametrize("in_files", [False, True])
def test_the_run_ends_when_it_gets_no_better_with_the_best_weights(tmp_path, in_files):
    spoil = Spoil(3)
    where = {"checkpoint": tmp_path} if in_files else {}
    result = fit(net(), points(), points(), epochs=50, early_stop=2, lr=0.001, callbacks=[spoil], **where, **PLAIN)
    assert len(result.history) == 5
    assert result.best == result.history[2]
    assert (result.test_loss, result.test_accuracy) == (result.best["test_loss"], result.best["test_accuracy"])
    assert torch.equal(weights(result.model), spoil.after[2])
    assert (tmp_path / "best.pt").exists() == in_files
    if in_files:
        again = fit(net(), points(), points(), epochs=50, early_stop=2, lr=0.001, checkpoint=tmp_path, **PLAIN)
        assert len(again.history) == 5
        assert torch.equal(weights(again.model), spoil.after[2])
        (tmp_path / "best.pt").write_bytes(b"damaged")
        kept = fit(net(), points(), points(), epochs=50, early_stop=2, lr=0.001, checkpoint=tmp_path, **PLAIN)
        assert kept.test_loss == kept.history[-1]["test_loss"]


def test_the_best_checkpoint_is_kept_for_any_column_and_the_last_weights_stay(tmp_path):
    spoil = Spoil(2)
    arguments = {"epochs": 4, "lr": 0.001, "monitor": "test_accuracy", "checkpoint": tmp_path, **PLAIN}
    result = fit(net(), points(), points(), callbacks=[spoil], **arguments)
    best = max(range(4), key=lambda place: result.history[place]["test_accuracy"])
    assert result.best == result.history[best]
    kept = torch.load(tmp_path / "best.pt", weights_only=True)["model"]
    assert torch.equal(torch.cat([value.flatten().double() for value in kept.values()]), spoil.after[best])
    assert result.test_accuracy == result.history[-1]["test_accuracy"]


def test_the_last_weights_may_be_kept_after_an_early_stop():
    stop = EarlyStop(2, restore_best=False)
    result = fit(net(), points(), points(), epochs=50, early_stop=stop, lr=0.001, callbacks=[Spoil(3)], **PLAIN)
    assert result.test_loss == result.history[-1]["test_loss"] > result.best["test_loss"]
