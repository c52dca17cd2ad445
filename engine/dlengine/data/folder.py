"""Images in folders, a folder for each class."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from dlengine.data.images import Decoder, as_size
from dlengine.data.samples import Sample, Samples
from dlengine.errors import EngineError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


class ImageFolder(Samples):
    """The images below `root`/CLASS/, as bytes (N, C, H, W); classes are numbered in the order of their names.

    size: (height, width) or the side of a square; needed when the images differ. mode: "RGB", or "L" for grey.
    `classes` are the names, `files` the paths, `y` the class numbers. Other files, hidden ones and links to folders
    are passed over. Raises EngineError when a class has no images, and, when it is read, for a damaged image.
    """

    def __init__(self, root: str | Path, size: int | tuple[int, int] | None = None, mode: str = "RGB") -> None:
        self._decode = Decoder(mode, as_size(size))
        root = Path(root)
        try:
            folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError as error:
            raise EngineError(f"{root} cannot be read: {error.strerror}", "give a folder") from None
        if not folders:
            raise EngineError(f"{root} has no folders", "put the images of each class in a folder of its own")
        self.classes = [folder.name for folder in folders]
        self.files: list[Path] = []
        labels: list[int] = []
        for number, folder in enumerate(folders):
            found = _images(folder)
            if not found:
                raise EngineError(f"{folder} holds no images", f"known suffixes: {' '.join(sorted(SUFFIXES))}")
            self.files += found
            labels += [number] * len(found)
        self.y = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return f"ImageFolder({len(self)} images, {len(self.classes)} classes)"

    def sample(self, index: int) -> Sample:
        """One image and its class number."""
        file = self.files[index]
        try:
            data = file.read_bytes()
        except OSError as error:
            raise EngineError(f"{file} cannot be read: {error.strerror}", "check the folder") from None
        return self._decode(data, str(file)), int(self.y[index])


def _images(folder: Path) -> list[Path]:
    found = []
    for place, _, names in os.walk(folder):
        found += [Path(place, name) for name in names if Path(name).suffix.lower() in SUFFIXES and name[0] != "."]
    return sorted(found)
