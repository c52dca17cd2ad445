"""One of two ranks that stream 23 samples: `stream_script.py FOLDER`, started by torchrun from test_data_fit.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from dlengine import fit
from dlengine.data import ShardStream
from dlengine.data.shards import write_shards
from torch import nn

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
own = folder / f"numbers{rank}"
write_shards(own, [{"json": b"[%d]" % number, "cls": b"%d" % (number % 2)} for number in range(23)], per_shard=5)
epochs: list[list[int]] = [[], []]


class Watched(ShardStream):
    """Notes what this rank reads in each epoch."""

    def __iter__(self):
        epoch = self.epoch
        for x, y in super().__iter__():
            epochs[epoch] += x[:, 0].int().tolist()
            yield x, y


torch.manual_seed(0)
model = nn.Linear(1, 2)
fit(model, Watched(own / "index.json", 4, x="json", shuffle=6), epochs=2, lr=0.001, progress=False)
torch.save({"epochs": epochs, "model": model.state_dict()}, folder / f"rank{rank}.pt")
