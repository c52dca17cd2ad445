"""Keeps the best weights of a run: in the checkpoint directory, or in memory where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlengine.train import snapshot

if TYPE_CHECKING:
    from dlengine.train.run import Run


class Keeper:
    """The weights of the best row of a run's history, as its `judge` sees it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held: dict[str, Any] | None = None

    def look(self) -> None:
        """Keep the weights if the last row is the best one. All ranks call it."""
        run = self._run
        if run.judge is None or run.judge.best(run.history) != len(run.history) - 1:
            return
        if run.settings.directory is not None:
            snapshot.save_best(run)
        elif run.judge.restores:
            self._held = {name: value.clone() for name, value in run.model.state_dict().items()}

    def restore(self) -> None:
        """Put the best weights in the model, at the end of a run. All ranks call it."""
        run = self._run
        best = run.best
        if run.judge is None or not run.judge.restores or best is None or best == run.history[-1]:
            return
        if run.settings.directory is not None:
            self._held = snapshot.best_weights(run, best["step"])
        if self._held is None:
            run.report.warn(
                f"the weights of the best epoch, {best['epoch']}, are not there: kept those of the last one"
            )
            return
        run.model.load_state_dict(self._held)
        run.report.say(f"restored the weights of epoch {best['epoch']}, the best by {run.judge.key}")
        run.restored = True
