"""Principal components, by the covariance and by the singular values."""

import numpy as np


def measurements(count=60):
    t = np.arange(count) / 7
    mixed = np.column_stack([np.sin(t), np.cos(1.7 * t), np.sin(0.3 * t)])
    return mixed @ np.array([[2.0, 0.5, 0.1, 1.0], [0.3, 1.5, -0.4, 0.2], [0.1, 0.0, 0.7, -0.3]]) + [1, 2, 3, 4]


def components(data):
    centred = data - data.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred, rowvar=False))
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, range(len(values))])


def whitened(data, k):
    values, vectors = components(data)
    return (data - data.mean(0)) @ vectors[:, :k] / np.sqrt(values[:k])


def objective(data):
    """The part of the variance that two components explain, and where the first one points."""
    values, vectors = components(data)
    return values[:2].sum() / np.trace(np.cov(data.T)) + vectors[0, 0] ** 2


START = measurements(7)

if __name__ == "__main__":
    data = measurements()
    values, vectors = components(data)
    np.set_printoptions(precision=5, suppress=True)
    print("explained", np.cumsum(values) / values.sum())
    print(vectors)
    u, s, vt = np.linalg.svd(data - data.mean(axis=0), full_matrices=False)
    print(np.allclose(s**2 / (len(data) - 1), values), u.shape, vt.shape)
    print(np.allclose(np.abs(np.einsum("ij,ij->i", vt, vectors.T))[:3], 1))
    scores = whitened(data, 2)
    print(np.cov(scores.T).round(6) + 0.0)
    print(np.corrcoef(data, rowvar=False)[np.triu_indices(4, k=1)])
    back = (data - data.mean(0)) @ vectors[:, :3] @ vectors[:, :3].T + data.mean(0)
    print("rank", np.linalg.matrix_rank(data - data.mean(0)), np.abs(back - data).max() < 1e-9)
    scaled = (data - data.mean(axis=0)) / data.std(axis=0, ddof=1)
    print(np.median(scaled, axis=0), np.percentile(scaled, [25, 75], axis=0), sep="\n")
    np.set_printoptions(precision=8, suppress=False)
