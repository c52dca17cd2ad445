"""Feeding Fashion-MNIST: images a second, moved by up to 2 pixels, mirrored and normalised, in batches of 64.

dlengine against torch's DataLoader, which changes image by image, or batch by batch where its data set offers that, and
against tensors that are changed in the loop. Rounds go over all contenders in turn, in one process.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import measure

BATCH = 64
BAR = 100_000  # images a second
ROUNDS = 9
MEAN, STD = 0.2860, 0.3530
OWN = "dlengine, Augmented"
NOTES = [
    "Fashion-MNIST as bytes in memory, moved by up to 2 pixels, mirrored, normalised; batches of 64.",
    "A ratio is the median over the rounds of two rates in the same round, with as many threads.",
    "By processor time: images for each second that the process used, with one thread. Other load moves it little.",
]


class PerImage:
    """A data set as torch's tutorials write it: one image at a time."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch
        from torch.nn import functional

        dy, dx = torch.randint(0, 5, (2,)).tolist()
        image = functional.pad(self.x[index], (2, 2, 2, 2))[:, dy : dy + 28, dx : dx + 28]
        image = image.flip(-1) if torch.rand(()) < 0.5 else image
        return (image.float() / 255 - MEAN) / STD, int(self.y[index])


class Batched(PerImage):
    """The same with `__getitems__`, which DataLoader calls with the indices of a batch."""

    def __getitems__(self, indices: list[int]) -> tuple[Any, Any]:
        return vectorised(self.x, self.y, indices)


def vectorised(x: Any, y: Any, indices: Any) -> tuple[Any, Any]:
    """A batch at once, as one writes it by hand."""
    import torch
    from torch.nn import functional

    images = functional.pad(x[indices], (2, 2, 2, 2))
    count = len(images)
    windows = images.unfold(2, 28, 1).unfold(3, 28, 1).permute(0, 2, 3, 1, 4, 5)
    images = windows[torch.arange(count), torch.randint(0, 5, (count,)), torch.randint(0, 5, (count,))]
    images = torch.where((torch.rand(count) < 0.5)[:, None, None, None], images.flip(-1), images)
    return (images.float() / 255 - MEAN) / STD, y[indices]


@dataclass(frozen=True)
class Contender:
    """A way to feed: its name, images in one timing, torch's threads, and the batches, to be read again and again."""

    name: str
    images: int
    threads: int
    batches: Iterable[Any]


class ByHand:
    """The loop that one writes around `vectorised`."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[Any]:
        import torch

        for indices in torch.randperm(len(self.x)).split(BATCH):
            yield vectorised(self.x, self.y, indices)


def contenders(x: Any, y: Any) -> list[Contender]:
    """All of them, with torch's default of two threads, and those without processes of their own also with one."""
    import torch
    from dlengine.data import Augmented, Dataset, Loader, augment
    from torch.utils.data import DataLoader

    fast, slow = 150 * BATCH, 30 * BATCH
    chain: list[augment.Transform] = [augment.Shift(2), augment.Flip(), augment.Normalize(MEAN, STD)]
    own = Augmented(Dataset(x[:fast], y[:fast]), chain)

    def loader(kind: type[PerImage], count: int, workers: int) -> Iterable[Any]:
        collate = _as_it_is if kind is Batched else None
        data: torch.utils.data.Dataset[Any] = kind(x[:count], y[:count])  # type: ignore[assignment]
        options: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0, "collate_fn": collate}
        return DataLoader(data, BATCH, shuffle=True, **options)

    alone: list[tuple[str, int, Any]] = [
        ("dlengine, Augmented", fast, Loader(own, BATCH, prefetch=0)),
        ("torch, tensors changed by hand in a loop", fast, ByHand(x[:fast], y[:fast])),
        ("DataLoader, batched, in the process", fast, loader(Batched, fast, 0)),
        ("DataLoader, per image, in the process", slow, loader(PerImage, slow, 0)),
    ]
    found = [Contender(name, count, threads, feed) for threads in (1, 2) for name, count, feed in alone]
    found.append(Contender("dlengine, Augmented, read ahead in a thread", fast, 2, Loader(own, BATCH, prefetch=2)))
    for workers in (1, 2):
        found.append(Contender(f"DataLoader, batched, workers: {workers}", fast, 2, loader(Batched, fast, workers)))
        found.append(Contender(f"DataLoader, per image, workers: {workers}", slow, 2, loader(PerImage, slow, workers)))
    return found


def _as_it_is(batch: Any) -> Any:
    return batch


def rates() -> dict[tuple[str, int, str], list[float]]:
    """Images a second, a number for each round, by contender, threads, and clock: "wall" or "processor"."""
    import torch
    from dlengine.data import from_idx
    from dlengine.data.fashion import DEBIAN

    data = from_idx(DEBIAN / "train-images-idx3-ubyte.gz", DEBIAN / "train-labels-idx1-ubyte.gz")
    feeds = contenders(data.x, data.y)
    found: dict[tuple[str, int, str], list[float]] = {}
    for number in range(-1, ROUNDS):  # the first round only warms up
        for feed in feeds:
            torch.set_num_threads(feed.threads)
            wall, processor = time.perf_counter(), time.process_time()
            read = sum(len(y) for _, y in feed.batches)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if read != feed.images:
                raise RuntimeError(f"{feed.name} gave {read} of {feed.images} images")
            if number >= 0:
                found.setdefault((feed.name, feed.threads, "wall"), []).append(read / wall)
                if feed.threads == 1:
                    found.setdefault((feed.name, 1, "processor"), []).append(read / processor)
    return found


def main() -> None:
    """Measure all, and write the table."""
    load = f"Load average of the machine when it began: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    found = rates()
    rows = []
    for (name, threads, clock), values in found.items():
        own = found[OWN, threads, clock]
        ratio = statistics.median(mine / other for mine, other in zip(own, values, strict=True))
        median, mine = statistics.median(values), name == OWN
        what = f"{name}, threads: {threads}" + (", by processor time" if clock == "processor" else "")
        if not mine:
            what += f" (dlengine: {ratio:.2f} times)"
        bar, met = (f">= {BAR:,}", median >= BAR) if mine else ("", None)
        rows.append(measure.Row(what, bar, median, min(values), max(values), len(values), "images/s", met))
    rows.sort(key=lambda row: "by processor time" in row.what)
    measure.publish("data", "Feeding augmented images", rows, [*NOTES, load])
