"""Lloyd's algorithm on three clouds of points."""

import numpy as np


def clouds(count=40):
    t = np.arange(3 * count)
    centre = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 5.0]])[t % 3]
    return centre + np.stack((np.sin(12.9898 * t), np.cos(78.233 * t)), axis=1)


def farthest(points, k):
    """Centres to start with: each the point farthest from those before it."""
    chosen = [0]
    while len(chosen) < k:
        gaps = np.linalg.norm(points[:, None] - points[chosen][None], axis=-1).min(axis=1)
        chosen.append(int(gaps.argmax()))
    return points[chosen].copy()


def kmeans(points, k, most=50):
    centres = farthest(points, k)
    for step in range(most):  # noqa: B007
        labels = np.argmin(((points[:, np.newaxis, :] - centres) ** 2).sum(-1), axis=1)
        old = centres.copy()
        for j in range(k):
            if np.any(labels == j):
                centres[j] = points[labels == j].mean(axis=0)
        if np.allclose(old, centres):
            break
    return centres, labels, step


def objective(points):
    """The sum of squared distances to the centres, of which the last takes part in the first."""
    centres, labels, _ = kmeans(points, 3)
    return np.sum((points - centres[labels]) ** 2)


START = clouds(5)

if __name__ == "__main__":
    points = clouds()
    centres, labels, steps = kmeans(points, 3)
    order = np.lexsort(centres.T)
    print("after", steps, "steps")
    print(centres[order].round(4))
    print("sizes", np.bincount(labels)[order], "of", len(points))
    print(f"spread {objective(points):.6f}, {points[labels == order[0]].std(axis=0)}")
    sums = np.zeros((3, 2))
    np.add.at(sums, labels, points)
    print(np.allclose(sums / np.bincount(labels)[:, None], centres), sums.shape, sums.dtype)
    nearest = {int(j): points[labels == j][:2].tolist() for j in np.unique(labels)}
    print({key: [[round(v, 6) for v in row] for row in rows] for key, rows in nearest.items()})
