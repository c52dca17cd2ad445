"""What data sets of encoded samples share: they decode a batch on several threads and stack it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlengine.errors import EngineError

Sample = tuple[NDArray[Any], Any]


class Samples:
    """A data set with random access; the heir says how many samples there are and reads one.

    `prefetch` tells `fit` how many batches to prepare ahead in the background.
    """

    prefetch = 2

    def __len__(self) -> int:
        raise NotImplementedError

    def sample(self, index: int) -> Sample:
        """The input, an array, and the target, a number or an array, of one sample."""
        raise NotImplementedError

    def batch(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples at `indices` (integers), as one tensor of inputs and one of targets."""
        places = [int(index) for index in indices]
        wrong = [index for index in places if not 0 <= index < len(self)]
        if wrong:
            raise EngineError(f"there is no sample {wrong[0]}", f"they are numbered 0 to {len(self) - 1}")
        if not places:  # an idle rank still wants tensors of the right shape and type
            x, y = stack([self.sample(0)])
            return x[:0], y[:0]
        return stack(list(pool().map(self.sample, places)))


def stack(samples: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """One tensor of inputs and one of targets. Raises EngineError when shapes differ."""
    inputs = [np.asarray(x) for x, _ in samples]
    targets = [np.asarray(y) for _, y in samples]
    for arrays, what, hint in (
        (inputs, "inputs", "give size=, or a decode function that returns one shape"),
        (targets, "targets", "each sample needs the same number of labels"),
    ):
        shapes = {array.shape for array in arrays}
        if len(shapes) > 1:
            first, second = sorted(shapes)[:2]
            raise EngineError(f"{what} of different shapes, {first} and {second}, in one batch", hint)
    x, y = torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets))
    x = x.float() if x.dtype == torch.float64 else x
    return x, y.float() if y.is_floating_point() else y.long()


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that decode; Pillow and zlib let them run side by side."""
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="dlengine-decode")
