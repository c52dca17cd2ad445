"""Derivatives of derivatives: a curve with its first four, and Newton's method with the Hessian."""

import dlengine.numpy as np
from dlengine.numpy import elementwise_grad, grad, hessian, hvp

x = np.linspace(-2, 2, 5)
derivative = np.tanh
for order in range(5):
    print(f"tanh, derivative {order}: {derivative(x)}")
    derivative = elementwise_grad(derivative)


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


slope, curvature = grad(rosenbrock), hessian(rosenbrock)
x = np.array([-1.2, 1.0])
steps = 0
while np.linalg.norm(slope(x)) > 1e-9:
    x -= np.linalg.solve(curvature(x), slope(x))
    steps += 1
print(f"Newton's method: {x} after {steps} steps")

direction = np.array([1.0, 2.0])
print(f"Hessian times {direction}: {hvp(rosenbrock)(x, direction)}, by matrix {curvature(x) @ direction}")
