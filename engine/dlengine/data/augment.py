"""Random changes to batches of images, for a whole batch at once: a transform is called with images and draws.

Images are (N, C, H, W), bytes in 0..255 or floats in 0..1, on the CPU. Bytes stay bytes until `Normalize`, whose place
is at the end. Any function `(images, draws) -> images` is a transform.

What moves bytes is written in NumPy: torch would share out a batch of small images over threads that a training step
is using, and wait for them longer than the work takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from dlengine.data.draws import Draws
from dlengine.errors import EngineError

Transform = Callable[[torch.Tensor, Draws], torch.Tensor]


class Shift:
    """Move each image by up to `pixels` in both directions; what comes in from outside is 0 (pad and crop)."""

    def __init__(self, pixels: int) -> None:
        if not isinstance(pixels, int | np.integer) or pixels < 0:
            raise EngineError(f"a shift by {pixels!r} pixels", "give a whole number from 0 on")
        self.pixels = pixels

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        p, (count, channels, height, width) = self.pixels, images.shape
        wide, high = width + 2 * p, height + 2 * p + 1
        padded = np.zeros((count, channels, high, wide), images.numpy().dtype)
        padded[:, :, p : p + height, p : p + width] = images.numpy()
        # A shifted image is a run of the padded one, with a few columns too many: one copy for each, not one a pixel.
        length, step = height * wide, padded.itemsize
        runs = np.lib.stride_tricks.as_strided(padded, (padded.size - length + 1, length), (step, step))
        begin = draws.integers(0, 2 * p, 2) @ np.array([wide, 1])
        planes = np.arange(0, padded.size, high * wide).reshape(count, channels)
        chosen = runs[(planes + begin[:, None]).ravel()]
        return torch.from_numpy(chosen.reshape(count, channels, height, wide)[..., :width])


class Flip:
    """Mirror each image left to right with the given probability."""

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = _part(probability, "probability")

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        chosen = np.flatnonzero(draws.uniform()[:, 0] < self.probability)
        flipped = np.array(images.numpy())
        flipped[chosen] = flipped[chosen][..., ::-1]
        return torch.from_numpy(flipped)


class Affine:
    """Rotate by up to `degrees`, scale by a factor in `scale`, move by up to `translate` (part of the side), shear.

    Bilinear; what comes in from outside is 0. `shear` is an angle in degrees.
    """

    def __init__(
        self,
        degrees: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        translate: float = 0.0,
        shear: float = 0.0,
    ) -> None:
        for name, value in (("degrees", degrees), ("translate", translate), ("shear", shear)):
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise EngineError(f"{name}={value!r}", "give a number")
        if not _pair(scale) or not 0 < scale[0] <= scale[1]:
            raise EngineError(f"scale={scale!r}", "give (lowest, highest), both above 0")
        if not -89 <= shear <= 89:
            raise EngineError(f"a shear of {shear} degrees", "give less than 90")
        self.degrees, self.scale, self.translate, self.shear = degrees, scale, translate, shear

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        height, width = images.shape[-2:]
        turn = np.radians(draws.uniform(-self.degrees, self.degrees))[:, 0]
        shear = np.tan(np.radians(draws.uniform(-self.shear, self.shear)))[:, 0]
        factor = np.exp(draws.uniform(np.log(self.scale[0]), np.log(self.scale[1])))[:, 0]
        # From places in the result to places in the image, in coordinates that run from -1 to 1 on both axes.
        cos, sin, aspect = np.cos(turn) / factor, np.sin(turn) / factor, height / width
        matrix = np.empty((len(images), 2, 3))
        matrix[:, 0, 0], matrix[:, 0, 1] = cos + shear * -sin, (sin + shear * cos) * aspect
        matrix[:, 1, 0], matrix[:, 1, 1] = -sin / aspect, cos
        matrix[:, :, 2] = 2 * draws.uniform(-self.translate, self.translate, 2)
        theta = torch.as_tensor(matrix, dtype=torch.float32)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return _as_before(F.grid_sample(images.float(), grid, align_corners=False), images)


class ColorJitter:
    """Change brightness, contrast and saturation by a factor in 1 - x .. 1 + x, and turn the hue by up to `hue`.

    Hue is a part of the full circle (0.5 = all colours), turned in the YIQ colour space, so that brightness stays.
    Saturation and hue need three channels and do nothing with one.
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        self.brightness = _part(brightness, "brightness")
        self.contrast = _part(contrast, "contrast")
        self.saturation = _part(saturation, "saturation")
        self.hue = _part(hue, "hue")

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        limits = np.array([self.brightness, self.contrast, self.saturation])
        factors = 1 + limits * draws.uniform(-1, 1, 3)
        angle = 2 * np.pi * draws.uniform(-self.hue, self.hue)[:, 0]
        pixels = images.float()
        if images.shape[1] == 3:
            mixing = torch.as_tensor(_colour_matrix(factors[:, 2], angle), dtype=torch.float32)
            pixels = torch.einsum("nij,njhw->nihw", mixing, pixels)
        brightness, contrast = torch.from_numpy(factors[:, :2].astype(np.float32)).T[:, :, None, None, None]
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = ((pixels - mean) * contrast + mean) * brightness
        top = 1.0 if images.is_floating_point() else 255.0
        return _as_before(pixels.clamp(0, top), images)


class Cutout:
    """Set a square of `size` pixels at a random place to 0; it may reach over the edge (DeVries and Taylor 2017)."""

    def __init__(self, size: int) -> None:
        if not isinstance(size, int | np.integer) or size < 1:
            raise EngineError(f"a cutout of {size!r} pixels", "give a whole number from 1 on")
        self.size = size

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        inside = []
        for length in images.shape[-2:]:
            begin, place = draws.integers(0, length - 1) - self.size // 2, np.arange(length)
            inside.append((place >= begin) & (place < begin + self.size))
        blank = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return torch.from_numpy(images.numpy() * ~blank)


class Normalize:
    """Floats with mean 0 and deviation 1, from `mean` and `std` per channel in 0..1; bytes are divided by 255 first."""

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        try:
            self.mean, self.std = np.atleast_1d(np.asarray(mean, float)), np.atleast_1d(np.asarray(std, float))
        except (TypeError, ValueError):
            raise EngineError(f"mean {mean!r} and std {std!r}", "give numbers, one or one a channel") from None
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise EngineError(f"mean {mean} and std {std}", "give finite numbers, and deviations above 0")

    def __call__(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        if {len(self.mean), len(self.std)} - {1, images.shape[1]}:
            raise EngineError(
                f"{len(self.mean)} means and {len(self.std)} deviations for {images.shape[1]} channels",
                "give one, or one for each channel",
            )
        scale = 1.0 if images.is_floating_point() else 255.0
        pixels = images.numpy().astype(np.float32)
        pixels *= (1 / (self.std * scale)).astype(np.float32)[:, None, None]
        pixels -= (self.mean / self.std).astype(np.float32)[:, None, None]
        return torch.from_numpy(pixels)


def _colour_matrix(saturation: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Matrices (N, 3, 3) on RGB that scale and turn the colour part (I, Q) and leave the brightness Y."""
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = saturation * np.cos(angle)
    turn[:, 2, 1] = saturation * np.sin(angle)
    turn[:, 1, 2] = -turn[:, 2, 1]
    return np.asarray(np.linalg.inv(to_yiq) @ turn @ to_yiq)


def _as_before(pixels: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return pixels if images.is_floating_point() else pixels.round_().to(images.dtype)


def _pair(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(each, int | float | np.number) for each in value)
    )


def _part(value: Any, name: str) -> float:
    if not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise EngineError(f"{name}={value!r}", "give a number from 0 to 1")
    return float(value)
