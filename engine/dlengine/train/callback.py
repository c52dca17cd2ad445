"""The hooks that user code can hang into a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlengine.train.run import Run
    from dlengine.train.setup import Setup


class Callback:
    """Override what you need. Every rank calls the hooks; `run.group.rank == 0` picks one of them.

    A run shows its `model`, `optimizer`, `position` (epoch, offset, step), `history` and `group`; `run.stop()` ends it
    after the current step on all ranks, as soon as one rank asks for it.
    """

    def on_setup(self, setup: Setup) -> None:
        """Before the run exists: all is checked, nothing is wrapped, seeded or loaded, everything may be changed."""

    def on_start(self, run: Run) -> None:
        """Before the first step, after a checkpoint was loaded."""

    def on_step(self, run: Run) -> None:
        """After every step."""

    def on_epoch(self, run: Run) -> None:
        """After every epoch; its row is `run.history[-1]`."""

    def on_end(self, run: Run) -> None:
        """After the last epoch."""
