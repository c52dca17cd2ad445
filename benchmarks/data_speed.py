"""Feeding Fashion-MNIST: images a second, moved by up to 2 pixels, mirrored and normalised, in batches of 64.

dlengine against torch's DataLoader, which changes image by image, or batch by batch where its data set offers that, and
against tensors that are changed in the loop. Rounds go over all contenders in turn, in one process with 2 threads.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import measure

BATCH = 64
BAR = 100_000  # images a second
ROUNDS = 9
MEAN, STD = 0.2860, 0.3530


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


def contenders(x: Any, y: Any) -> dict[str, tuple[int, Callable[[int], Iterable[Any]]]]:
    """Name -> images to read in one timing, and a function that gives batches of so many images."""
    import torch
    from dlengine.data import Augmented, Dataset, Loader, augment
    from torch.utils.data import DataLoader

    def loader(count: int, make: type, workers: int) -> Any:
        collate = (lambda batch: batch) if make is Batched else None
        return DataLoader(
            make(x[:count], y[:count]),
            BATCH,
            shuffle=True,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
        )

    def own(count: int, prefetch: int) -> Any:
        chain = [augment.Shift(2), augment.Flip(), augment.Normalize(MEAN, STD)]
        return Loader(Augmented(Dataset(x[:count], y[:count]), chain), BATCH, prefetch=prefetch)

    def by_hand(count: int) -> Iterable[Any]:
        class Loop:
            def __iter__(self) -> Any:
                for indices in torch.randperm(count).split(BATCH):
                    yield vectorised(x, y, indices)

        return Loop()

    fast, slow = 150 * BATCH, 30 * BATCH
    return {
        "dlengine, Augmented": (fast, lambda count: own(count, 0)),
        "dlengine, Augmented, read ahead in a thread": (fast, lambda count: own(count, 2)),
        "torch, tensors changed in a loop by hand": (fast, by_hand),
        **{
            f"DataLoader, batched, {workers} workers": (fast, lambda count, n=workers: loader(count, Batched, n))
            for workers in (0, 1, 2)
        },
        **{
            f"DataLoader, per image, {workers} workers": (slow, lambda count, n=workers: loader(count, PerImage, n))
            for workers in (0, 1, 2)
        },
    }


def rates() -> dict[str, list[float]]:
    """Images a second of each contender, a number for each round."""
    import torch
    from dlengine.data.fashion import DEBIAN
    from dlengine.data.idx import from_idx

    torch.set_num_threads(2)
    data = from_idx(DEBIAN / "train-images-idx3-ubyte.gz", DEBIAN / "train-labels-idx1-ubyte.gz")
    feeds = {name: (count, make(count)) for name, (count, make) in contenders(data.x, data.y).items()}
    found: dict[str, list[float]] = {name: [] for name in feeds}
    for number in range(-1, ROUNDS):  # the first round only warms up
        for name, (count, feed) in feeds.items():
            began = time.perf_counter()
            read = sum(len(y) for _, y in feed)
            if read != count:
                raise RuntimeError(f"{name} gave {read} of {count} images")
            if number >= 0:
                found[name].append(count / (time.perf_counter() - began))
    return found


def main() -> None:
    """Measure all, and write the table."""
    found = rates()
    own = found["dlengine, Augmented"]
    rows = []
    for name, values in found.items():
        ratio = statistics.median(mine / other for mine, other in zip(own, values, strict=True))
        median, bar = statistics.median(values), name == "dlengine, Augmented"
        rows.append(
            measure.Row(
                name if bar else f"{name} (dlengine is {ratio:.2f} times as fast)",
                f">= {BAR:,}" if bar else "",
                median,
                min(values),
                max(values),
                len(values),
                "images/s",
                median >= BAR if bar else None,
            )
        )
    notes = [
        "Fashion-MNIST as bytes in memory, moved by up to 2 pixels, mirrored, normalised; batches of 64.",
        "One process, torch with 2 threads. A ratio is the median over the rounds of two rates in the same round.",
    ]
    measure.publish("data", "Feeding augmented images", rows, notes)
