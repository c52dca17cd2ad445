"""`fit` trains from every source, and a run that was stopped goes on exactly."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from dlengine import Callback, fit, score
from dlengine.data import Augmented, Dataset, ImageFolder, Records, RecordWriter, Shards, ShardStream, augment
from dlengine.data import from_csv as read_csv
from dlengine.data.shards import write_shards
from PIL import Image
from torch import nn

LABELS = np.arange(24) % 2
TO_FLOAT = [augment.Normalize(0.5, 0.5)]


def picture(label):
    file = io.BytesIO()
    Image.new("L", (4, 4), 40 + 160 * int(label)).save(file, "PNG")
    return file.getvalue()


def csv(folder):
    lines = [f"{label * 2 - 1},{number % 3},{label}" for number, label in enumerate(LABELS)]
    (folder / "a.csv").write_text("\n".join(["first,second,label", *lines]))
    return read_csv(folder / "a.csv", "label")


def images(folder):
    for number, label in enumerate(LABELS):
        (folder / "images" / "ab"[label]).mkdir(parents=True, exist_ok=True)
        (folder / "images" / "ab"[label] / f"{number}.png").write_bytes(picture(label))
    return Augmented(ImageFolder(folder / "images", mode="L"), TO_FLOAT)


def records(folder):
    with RecordWriter(folder / "a.rec") as writer:
        for label in LABELS:
            writer.write(picture(label), float(label))
    return Augmented(Records(folder / "a.rec", mode="L"), TO_FLOAT)


def shards(folder):
    samples = [{"png": picture(label), "cls": b"%d" % label} for label in LABELS]
    write_shards(folder / "shards", samples, per_shard=7)
    return Augmented(Shards(folder / "shards", mode="L"), TO_FLOAT)


def stream(folder, **options):
    if not (folder / "shards").exists():
        shards(folder)
    return ShardStream(folder / "shards" / "index.json", 4, mode="L", shuffle=6, transforms=TO_FLOAT, **options)


def network(inputs=16):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 2))


@pytest.mark.parametrize("source", [csv, images, records, shards, stream])
def test_every_source_trains(source, tmp_path):
    result = fit(network(2 if source is csv else 16), source(tmp_path), epochs=6, batch_size=4, lr=0.1, progress=False)
    assert result.history[-1]["accuracy"] == 1
    assert result.steps == 36


def augmented(folder):
    x = np.random.default_rng(0).integers(0, 256, (24, 1, 4, 4)).astype(np.uint8)
    return Augmented(Dataset(x, LABELS), [augment.Shift(1), augment.Flip(), *TO_FLOAT])


@pytest.mark.parametrize("source", [augmented, stream])
@pytest.mark.parametrize("stop", ["4ba", "6ba", "9ba"])
def test_a_run_that_was_stopped_goes_on_exactly(source, stop, tmp_path):
    def train(name, epochs):
        options = {"batch_size": 4, "checkpoint": tmp_path / name, "progress": False}
        return fit(network(), source(tmp_path), epochs=epochs, lr=0.1, **options)

    whole = train("whole", "3ep")
    train("parts", stop)
    resumed = train("parts", "3ep")
    assert resumed.resumed_from is not None
    assert resumed.history[-1]["loss"] == whole.history[-1]["loss"]
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name])


def test_fit_changes_the_samples_in_each_epoch_also_of_a_part_of_them(tmp_path):
    data = augmented(tmp_path)
    epochs = []

    class Watch(Callback):
        def on_step(self, run):
            epochs.append(data.epoch)

    fit(network(), data, 0.25, epochs=3, batch_size=9, progress=False, callbacks=[Watch()])
    assert epochs == [0, 0, 1, 1, 2, 2]


def test_mixed_samples_train_on_probabilities():
    x = np.random.default_rng(0).normal(size=(24, 1, 4, 4)) + LABELS[:, None, None, None]
    mixed = Augmented(Dataset(x, LABELS), mixup=0.4, classes=2)
    loss = nn.functional.cross_entropy
    model = fit(network(), mixed, epochs=8, batch_size=4, lr=0.05, loss=loss, progress=False).model
    assert score(model, Dataset(x, LABELS))["accuracy"] > 0.85


@pytest.mark.slow
def test_two_ranks_stream_all_samples_once_and_end_with_the_same_weights(tmp_path):
    stream(tmp_path)
    script = Path(__file__).with_name("stream_script.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, tmp_path]
    subprocess.run([sys.executable, *command], env=environment, check=True, timeout=200)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    for one, other in zip(first["epochs"], second["epochs"], strict=True):
        assert sorted(one + other) == list(range(23))
    for name, weight in first["model"].items():
        assert torch.equal(weight, second["model"][name])
