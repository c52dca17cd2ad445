"""Whatever a user has for data, as a data set that is indexed or as a stream."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate

from dlengine.data import Batches, Dataset
from dlengine.errors import EngineError
from dlengine.train import tensors
from dlengine.train.settings import number
from dlengine.train.stream import Samples, Stream, pair

Source = Batches | Stream


class Items:
    """A torch data set of the indexed kind: samples (x, y) one by one, collated to batches."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, indices: Any) -> tuple[Any, Any]:
        """The samples at `indices`, stacked."""
        numbers = [int(index) for index in indices]
        if hasattr(self.dataset, "__getitems__"):
            return pair(_collated(self.dataset.__getitems__(numbers), numbers), 0)
        return pair(_collated([self.dataset[number] for number in numbers], numbers), 0)


def _collated(samples: list[Any], numbers: list[int]) -> Any:
    """One batch. Raises EngineError, with the first sample that differs, for samples that do not fit together."""
    try:
        return default_collate(samples)
    except (RuntimeError, TypeError) as error:
        shapes = [tuple(getattr(part, "shape", ())) for part in map(inputs_in, samples)]
        odd = next((place for place, shape in enumerate(shapes) if shape != shapes[0]), None)
        what = "the data set's samples make no batch: " + str(error).splitlines()[0]
        if odd is not None:
            what = f"samples {numbers[0]} and {numbers[odd]} have inputs {shapes[0]} and {shapes[odd]}"
        raise EngineError(what, "give pairs (x, y) of numbers, arrays or tensors of one shape") from None


def inputs_in(sample: Any) -> Any:
    """The inputs of a sample."""
    return sample[0] if isinstance(sample, tuple | list) and sample else sample


class Subset:
    """The samples of a data set at `indices`."""

    def __init__(self, data: Batches, indices: np.ndarray[Any, Any]) -> None:
        self.data = data
        self.indices = indices
        self.prefetch = getattr(data, "prefetch", 0)
        if hasattr(data, "set_epoch"):
            self.set_epoch = data.set_epoch
        if hasattr(data, "y"):
            self.y = data.y[torch.as_tensor(indices)]  # lets fit check all labels before the first step

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Any) -> tuple[Any, Any]:
        """The samples at `indices` of the subset."""
        return self.data.batch(self.indices[np.asarray(indices, dtype=np.int64)])


def as_source(data: Any, name: str, batch: int) -> Source:
    """A source from arrays, a torch data set or loader, an iterable, a function, or anything with `len` and `batch`.

    batch: how many samples of a torch IterableDataset make one batch. Raises EngineError for anything else.
    """
    if isinstance(data, Stream):
        return data
    if hasattr(data, "batch") and hasattr(data, "__len__"):
        return _not_empty(data, name)
    if isinstance(data, list) and data and all(_is_batch(item) for item in data):
        return Stream(data)
    if isinstance(data, tuple | list):
        if len(data) == 2:
            return Dataset(*data)
        raise _unusable(name, f"{type(data).__name__} of {len(data)}")
    if isinstance(data, str | Path | np.ndarray | torch.Tensor | dict):
        raise _unusable(name, type(data).__name__)
    if isinstance(data, DataLoader):
        return Stream(data)
    if isinstance(data, IterableDataset):
        return Stream(Samples(data, batch))
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return Items(_not_empty(data, name))
    if isinstance(data, Iterable) or callable(data):
        return Stream(data)
    raise _unusable(name, type(data).__name__)


def with_test(train: Source, test: Any, batch: int, seed: int) -> tuple[Source, Source | None]:
    """Training and test data; `test` may be the part of the training data that is held out, drawn by `seed`."""
    if test is None:
        return train, None
    if not isinstance(test, float):
        try:
            source = as_source(test, "the test data", batch)
        except EngineError as error:
            raise error if "the test data" in error.what else _in_test(error) from None
        if isinstance(source, Stream) and source.once:
            raise EngineError(
                "the test data is an iterator, which can be read once",
                "give a function that makes a new iterator for each epoch",
            )
        return train, source
    number("test", test, above=0.0, below=1.0)
    if isinstance(train, Stream):
        raise EngineError(f"test={test} of a stream", "hold samples out where the stream is made, and give test=...")
    held = round(len(train) * test)
    if not 0 < held < len(train):
        raise EngineError(f"test={test} of {len(train)} samples", "both parts must hold a sample; give another part")
    order = np.random.default_rng((seed, len(train))).permutation(len(train))
    return Subset(train, np.sort(order[held:])), Subset(train, np.sort(order[:held]))


def _in_test(error: EngineError) -> EngineError:
    return EngineError(f"in the test data: {error.what}", error.hint)


def _is_batch(item: Any) -> bool:
    """Whether it is a pair of arrays, and not an array of its own."""
    return isinstance(item, tuple) and len(item) == 2 and hasattr(item[0], "shape")


def _not_empty(data: Any, name: str) -> Any:
    if len(data) == 0:
        raise EngineError(f"{name} is empty", "check the file or the filter that it comes from")
    return data


def _unusable(name: str, kind: str) -> EngineError:
    return EngineError(
        f"{name} is a {kind}",
        "give a pair of arrays (x, y), a dlengine.data source, a torch Dataset or DataLoader, "
        "or an iterable of batches (x, y)",
    )


def inputs_of(item: Any) -> Any:
    """The inputs of a batch that may or may not have targets."""
    return tensors.convert(item[0] if isinstance(item, tuple | list) and len(item) == 2 else item, "inputs")
