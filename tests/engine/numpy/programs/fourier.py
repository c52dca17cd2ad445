"""A noisy signal cleaned by its spectrum."""

import numpy as np

RATE = 128


def signal(seconds=2):
    t = np.arange(0, seconds, 1 / RATE)
    return t, np.sin(2 * np.pi * 5 * t) + 0.5 * np.cos(2 * np.pi * 20 * t + 0.3) + 0.2 * np.sin(2 * np.pi * 50.3 * t)


def low_pass(x, cutoff):
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(len(x), d=1 / RATE) > cutoff] = 0
    return np.fft.irfft(spectrum, n=len(x))


def convolved(x, cutoff, taps=31):
    """The same by a windowed sinc."""
    n = np.arange(taps) - (taps - 1) / 2
    kernel = np.sinc(2 * cutoff / RATE * n) * np.hamming(taps)
    kernel /= kernel.sum()
    return np.convolve(x, kernel, mode="same")


def objective(x):
    """The energy in the filtered signal by Parseval, with a smooth edge, and its phase."""
    spectrum = np.fft.fft(x * np.hanning(len(x)))
    frequency = np.abs(np.fft.fftfreq(len(x)))
    kept = spectrum * np.exp(-((frequency / 0.2) ** 2))
    return np.mean(np.abs(kept) ** 2) + np.real(np.fft.ifft(kept)[3]) + np.angle(kept[2])


START = signal()[1][:16]

if __name__ == "__main__":
    t, x = signal()
    power = np.abs(np.fft.rfft(x)) ** 2 / len(x)
    peaks = np.argsort(power)[::-1][:3]
    print(np.fft.rfftfreq(x.size, 1 / RATE)[np.sort(peaks)])
    smooth = low_pass(x, 10)
    print(np.max(np.abs(smooth - np.sin(2 * np.pi * 5 * t))) < 1e-1, smooth[:4].round(6))
    print(convolved(x, 10)[60:64])
    centred = np.fft.fftshift(np.fft.fft(x))
    half = len(x) // 2
    print(np.allclose(centred[half + 1 :], centred[1:half][::-1].conj()), centred.dtype)
    image = np.outer(np.sin(t[:8] * 9), np.cos(t[:8] * 7))
    print(np.abs(np.fft.ifft2(np.fft.fft2(image)) - image).max() < 1e-12)
    print(np.allclose(np.sum(np.abs(x) ** 2), np.sum(np.abs(np.fft.fft(x)) ** 2) / len(x)))
    np.set_printoptions(precision=3, suppress=True)
    print(np.fft.fft([1, 2, 3, 4]))
    print(np.unwrap(np.angle(np.fft.fft(x)[1:7])))
    np.set_printoptions(precision=8, suppress=False)
