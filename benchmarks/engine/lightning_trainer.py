"""Lightning's Trainer, without logger, progress bar and checkpoints, which would only slow it down."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from torch.utils.data import DataLoader

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Done, Job

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
job = Job()
clock = Clock()


class Batches(torch.utils.data.Dataset):
    """Whole batches by number: the cheapest feed that Lightning takes."""

    def __len__(self) -> int:
        return len(job.x)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(job.x[number]), torch.from_numpy(job.y[number])


class Module(lightning.LightningModule):
    """The network with its loss and optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = modules.model(job)

    def training_step(self, batch, number):
        """The loss of a batch."""
        x, y = batch
        return modules.loss(self.net(x), y)

    def configure_optimizers(self):
        """The same as everybody's."""
        return modules.optimizer(job, self.net)


class Driver(lightning.Callback):
    """Tells the clock of every step."""

    def on_train_batch_end(self, trainer, module, outputs, batch, number) -> None:
        """After a step."""
        clock.tick(lambda: outputs["loss"])


trainer = lightning.Trainer(
    max_epochs=-1,
    accelerator="cpu",
    logger=False,
    enable_progress_bar=False,
    enable_checkpointing=False,
    enable_model_summary=False,
    callbacks=[Driver()],
)
try:
    trainer.fit(Module(), DataLoader(Batches(), batch_size=None))
except Done:
    pass
