"""`dlengine.fit` by default; only the order of the samples is undone, so that all train on the same batches."""

from __future__ import annotations

import sys

import dlengine

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Done, Job, means_to_losses


class Driver(dlengine.Callback):
    """Tells the clock of every step."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.last = means_to_losses()

    def on_step(self, run) -> None:
        self.clock.tick(lambda: self.last(run.meter.loss))


job = Job(shuffled=True)
x, y = job.flat()
kind = "adamw" if job.name == "gpt" else "sgd"
try:
    dlengine.fit(
        modules.model(job),
        (x, y),
        epochs="1500ba",
        batch_size=job.batch,
        optimizer=kind,
        lr=job.lr,
        weight_decay=0.01 if kind == "adamw" else 0.0,
        device="cpu",
        callbacks=[Driver()],
        progress=False,
        tune="off" if "off" in sys.argv else "auto",
    )
except Done:
    pass
