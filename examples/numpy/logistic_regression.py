"""Tell malignant from benign tumours by logistic regression: NumPy, with the gradient from `np.grad`."""

import dlengine.numpy as np
from sklearn.datasets import load_breast_cancer

features, labels = load_breast_cancer(return_X_y=True)
features = np.asarray((features - features.mean(0)) / features.std(0))
labels = np.asarray(labels)
is_test = np.arange(len(labels)) % 4 == 0
x, y = features[~is_test], labels[~is_test]


def logits(params, x):
    return x @ params["w"] + params["b"]


def loss(params, x, y):
    z = logits(params, x)
    return np.mean(np.logaddexp(0, z) - y * z) + 0.001 * np.sum(params["w"] ** 2)


params = {"w": np.zeros(x.shape[1]), "b": np.zeros(())}
loss_and_gradient = np.value_and_grad(loss)
for step in range(201):
    value, gradient = loss_and_gradient(params, x, y)
    for name in params:
        params[name] -= 0.5 * gradient[name]
    if step % 50 == 0:
        print(f"step {step}  loss {float(value):.4f}")

right = (logits(params, features) > 0) == (labels == 1)
print(f"test accuracy {float(np.mean(right[is_test])):.4f}")
