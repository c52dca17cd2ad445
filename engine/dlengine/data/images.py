"""Encoded images (JPEG, PNG, ...) as arrays, with Pillow."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlengine.errors import EngineError

MOST_PIXELS = 1 << 26  # 64 million; a file of a few bytes can announce more than fits in memory


@dataclass(frozen=True)
class Decoder:
    """How images become arrays: `mode` "RGB" or "L" (grey); `size` (height, width), None keeps that of the file.

    An image of another aspect is cut in the middle. Raises EngineError when Pillow is missing.
    """

    mode: str = "RGB"
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("RGB", "L"):
            raise EngineError(f"mode {self.mode!r}", 'use "RGB", or "L" for grey')
        if self.size is not None and not all(1 <= side <= 1 << 14 for side in self.size):
            raise EngineError(f"size {self.size}", "give (height, width) in pixels")
        _pillow()

    def __call__(self, data: bytes, where: str) -> NDArray[np.uint8]:
        """Bytes (C, H, W) of an encoded image. Raises EngineError, with `where` it came from, when it is damaged."""
        image_class, ops = _pillow()
        try:
            with image_class.open(io.BytesIO(data)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise EngineError(f"{where}: {image.width} x {image.height} pixels", "scale it down")
                if self.size is not None:
                    image.draft(self.mode, self.size[::-1])  # lets JPEG skip what the reduction would throw away
                shown = image.convert(self.mode)
            if self.size is not None and shown.size != self.size[::-1]:
                shown = ops.fit(shown, self.size[::-1])
        except EngineError:
            raise
        except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
            raise EngineError(f"{where}: no usable image: {error}", "replace or remove it") from None
        pixels = np.asarray(shown)
        return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def as_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """One number means a square."""
    if size is None:
        return None
    if isinstance(size, int | np.integer):
        return int(size), int(size)
    if not isinstance(size, tuple | list) or len(size) != 2 or not all(isinstance(x, int | np.integer) for x in size):
        raise EngineError(f"size {size!r}", "give a number of pixels, or (height, width)")
    return int(size[0]), int(size[1])


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise EngineError("images need Pillow, which is not installed", "run: pip install pillow") from None
    return Image, ImageOps
