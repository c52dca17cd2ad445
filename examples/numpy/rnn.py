"""A recurrent network learns to add binary numbers: a plain Python loop, one pass for each digit, of any length."""

import dlengine.numpy as np

rng = np.random.default_rng(0)
HIDDEN = 16


def numbers(count, digits):
    """Pairs of numbers and their sums, as digits from the lowest to the highest."""
    a, b = rng.integers(0, 2 ** (digits - 1), size=(2, count))
    places = np.arange(digits)
    bits = [(each[:, None] >> places) & 1 for each in (a, b, a + b)]
    return np.stack(bits[:2], axis=-1).astype(float), bits[2].astype(float)


def initial():
    shapes = {"in": (2, HIDDEN), "state": (HIDDEN, HIDDEN), "out": (HIDDEN, 1)}
    weights = {name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in shapes.items()}
    return weights | {"bias": np.zeros(HIDDEN)}


def run(params, x):
    state = np.zeros((len(x), HIDDEN))
    outputs = np.zeros(x.shape[:2])
    for digit in range(x.shape[1]):
        state = np.tanh(x[:, digit] @ params["in"] + state @ params["state"] + params["bias"])
        outputs[:, digit] = (state @ params["out"])[:, 0]
    return outputs


def loss(params, x, y):
    z = run(params, x)
    return np.mean(np.logaddexp(0, z) - y * z)


params = initial()
mean = {name: np.zeros_like(each) for name, each in params.items()}
square = {name: np.zeros_like(each) for name, each in params.items()}
for step in range(1, 401):
    digits = int(rng.integers(3, 9))
    value, gradient = np.value_and_grad(loss)(params, *numbers(64, digits))
    if not np.isfinite(value):
        raise SystemExit(f"the loss is {value}")
    for name, g in gradient.items():  # Adam
        mean[name] = 0.9 * mean[name] + 0.1 * g
        square[name] = 0.99 * square[name] + 0.01 * g**2
        scale = np.sqrt(square[name] / (1 - 0.99**step)) + 1e-8
        params[name] -= 0.02 * mean[name] / (1 - 0.9**step) / scale
    if step % 100 == 0:
        print(f"step {step}  loss {float(value):.4f}")

x, y = numbers(500, 16)
right = np.all((run(params, x) > 0) == (y > 0.5), axis=1)
print(f"sums of 16 digits that are right {float(np.mean(right)):.3f}")
