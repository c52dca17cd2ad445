"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 pictures of clothes, 28x28, ten classes of equal size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlengine.data.dataset import Dataset
from dlengine.data.fetch import cache, download
from dlengine.data.idx import read_idx
from dlengine.errors import EngineError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SOURCE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
DIGESTS = {
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
}


def fashion_mnist(path: str | Path | None, *, fetch: bool) -> tuple[Dataset, Dataset]:
    """Training and test set from `path`, Debian's package or the cache; `fetch` fills the cache or `path` first."""
    folder = _folder(path, fetch=fetch)
    return _part(folder, "train"), _part(folder, "t10k")


def _folder(path: str | Path | None, *, fetch: bool) -> Path:
    """The folder that holds the four files."""
    places = [Path(path)] if path is not None else [DEBIAN, cache("fashion-mnist")]
    for place in places:
        if all(_file(place, name) is not None for name in DIGESTS):
            return place
    if fetch:
        download(SOURCE, DIGESTS, places[-1])
        return places[-1]
    missing = next(name for name in DIGESTS if _file(places[-1], name) is None)
    raise EngineError(
        f"Fashion-MNIST is not here: no {missing} in {' or '.join(map(str, places))}",
        "run: apt-get install dataset-fashion-mnist (Debian), or give download=True (31 MB) or path=FOLDER",
    )


def _part(folder: Path, part: str) -> Dataset:
    x = read_idx(_file(folder, f"{part}-images-idx3-ubyte.gz") or folder)
    y = read_idx(_file(folder, f"{part}-labels-idx1-ubyte.gz") or folder)
    if x.ndim != 3 or y.shape != x.shape[:1] or x.dtype != np.uint8:
        raise EngineError(f"{folder} holds no Fashion-MNIST: images {x.shape}, labels {y.shape}", "check path=")
    return Dataset(x[:, None].astype(np.float32) / np.float32(255), y)


def _file(folder: Path, name: str) -> Path | None:
    """The file, packed or unpacked."""
    return next((file for file in (folder / name, folder / name.removesuffix(".gz")) if file.exists()), None)
