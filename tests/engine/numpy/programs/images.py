"""Convolution by strides, edges and pooling of small pictures."""

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


def picture(size=8):
    y, x = np.mgrid[:size, :size]
    return ((x - size / 2) ** 2 + (y - size / 3) ** 2 < size).astype(float) + 0.1 * x


def convolve(image, kernel):
    windows = sliding_window_view(image, kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, kernel[::-1, ::-1])


def strided(image, kernel):
    """The same with strides counted by hand."""
    h, w = kernel.shape
    shape = (image.shape[0] - h + 1, image.shape[1] - w + 1, h, w)
    windows = as_strided(image, shape, image.strides * 2)
    return np.tensordot(windows, np.flip(kernel), axes=2)


def pooled(image, n=2):
    h, w = image.shape
    return image[: h // n * n, : w // n * n].reshape(h // n, n, w // n, n).max(axis=(1, 3))


def objective(image):
    """How strong the edges are in the pooled picture."""
    across, down = convolve(image, SOBEL), convolve(image, SOBEL.T)
    return np.sum(pooled(np.sqrt(across**2 + down**2 + 1e-3)))


START = picture(6) + 0.03 * np.arange(36).reshape(6, 6) % 0.7

if __name__ == "__main__":
    image = picture()
    print(convolve(image, SOBEL).round(3))
    print(np.allclose(convolve(image, SOBEL), strided(image, SOBEL)))
    print(pooled(image), pooled(image).strides)
    padded = np.pad(image, 1, mode="edge")
    blurred = convolve(padded, np.full((3, 3), 1 / 9))
    print(blurred.shape == image.shape, blurred[0, :3])
    colours = np.dstack([image, image.T, np.zeros_like(image)])
    grey = colours @ [0.299, 0.587, 0.114]
    print(colours.shape, grey[2, ::3], (grey.clip(0, 1) * 255).astype(np.uint8)[0])
    print(np.rot90(image)[0], image[::-1, ::2][1], sep="\n")
    histogram, _ = np.histogram(image, bins=4, range=(0, 2))
    print(histogram, np.searchsorted(np.cumsum(histogram), image.size // 2))
    flat = image.ravel()
    flat[flat > 1] = 1
    image[image < 0.05] = -1
    print(image.min(), image.max(), [int(n) for n in np.unravel_index(image.argmax(), image.shape)])
