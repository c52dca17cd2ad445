"""Linear regression: normal equations, least squares, descent, ridge and polynomials."""
# ruff: noqa: B905

import numpy as np


def samples(count=30):
    t = np.arange(count)
    x = np.column_stack([np.ones(count), np.sin(t * 1.3), np.cos(t * 0.7) + 0.01 * t])
    y = x @ [0.5, -1.25, 2.0] + 0.05 * np.sin(t * 5.1)
    return x, y


def fit(x, y, ridge=0.0):
    return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)


def descend(x, y, rate=0.1, steps=400):
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        w -= rate * x.T @ (x @ w - y) / len(y)
    return w


def r2(y, guess):
    return 1 - ((y - guess) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def objective(parameters):
    """The error on held-out samples as a function of ridge, learning rate and the weights of the samples."""
    x, y = samples(12)
    ridge, rate, weights = np.exp(parameters[0]), parameters[1], parameters[2:]
    scale = np.sqrt(weights)[:, None]
    w = fit(x[:8] * scale, y[:8] * scale[:, 0], ridge)
    v = descend(x[:8], y[:8], rate, steps=5)
    return np.mean((x[8:] @ w - y[8:]) ** 2) + np.linalg.norm(x[8:] @ v - y[8:])


START = np.r_[-1.0, 0.2, np.linspace(0.5, 1.5, 8)]

if __name__ == "__main__":
    x, y = samples()
    w = fit(x, y)
    solution, residual, rank, singular = np.linalg.lstsq(x, y, rcond=None)
    print(w, np.allclose(w, solution), rank, residual.shape, singular.round(4))
    print(np.allclose(descend(x, y), w, atol=1e-2), r2(y, x @ w).round(6), fit(x, y, 1.0))
    q, r = np.linalg.qr(x)
    print(np.allclose(np.linalg.solve(r, q.T @ y), w), np.allclose(np.linalg.pinv(x) @ y, w))
    train = np.arange(len(y)) % 3 != 0
    print(f"held out: {r2(y[~train], x[~train] @ fit(x[train], y[train])):.5f} of {(~train).sum()} samples")
    t = np.linspace(-1, 1, 9)
    p = np.polyfit(t, 1 - 2 * t + 3 * t**3, 3)
    print(p.round(6) + 0.0, np.polyval(p, 0.5).round(6), np.roots([1, -3, 2]), np.poly1d([1, 2])(3))
    print(np.vander(t[:3], 3), np.linalg.cond(np.vander(t, 4)).round(4))
    s2 = ((y - x @ w) ** 2).sum() / (len(y) - x.shape[1])
    errors = np.sqrt(np.diag(s2 * np.linalg.inv(x.T @ x)))
    for name, value, error in zip(("one", "sine", "cosine"), w, errors):
        print(f"{name:>8} {value:+.4f} ± {error:.4f} {'*' * int(np.ceil(np.log10(abs(value) / error)))}")
    hat = x @ np.linalg.inv(x.T @ x) @ x.T
    print(np.trace(hat).round(9), np.diagonal(hat).argmax(), np.linalg.det(x.T @ x) > 0)
    xs = (x[:, 1:] - x[:, 1:].mean(0)) / x[:, 1:].std(0)
    print(np.corrcoef(xs.T, y)[-1].round(5), np.average(y, weights=np.arange(len(y))).round(6))
