"""Functions with a gradient of their own."""

from __future__ import annotations

import dlengine.numpy as np
import numpy
import pytest
from numpy.testing import assert_allclose

X = np.array([0.3, -1.2, 2.0])


@np.primitive
def outside(x):
    """Computed by NumPy itself, out of torch's sight."""
    return numpy.arctan(numpy.asarray(x))


np.defvjp(outside, lambda ans, x: lambda g: g / (1 + x**2))
np.defjvp(outside, lambda g, ans, x: g / (1 + x**2))


@np.primitive
def scaled(x, factor, *, power=2):
    return factor * x**power


np.defvjp(
    scaled,
    lambda ans, x, factor, power=2: lambda g: g * factor * power * x ** (power - 1),
    lambda ans, x, factor, power=2: lambda g: np.sum(g * x**power),
)
np.defjvp(
    scaled,
    lambda g, ans, x, factor, power=2: g * factor * power * x ** (power - 1),
    lambda g, ans, x, factor, power=2: g * x**power,
)


@np.primitive
def exponential(x):
    return np.exp(x)


np.defvjp(exponential, lambda ans, x: lambda g: g * ans)
np.defjvp(exponential, lambda g, ans, x: g * ans)


def test_code_outside_torch_gets_a_gradient():
    assert_allclose(numpy.asarray(outside(X)), numpy.arctan(numpy.asarray(X)))
    assert outside.__doc__ == "Computed by NumPy itself, out of torch's sight."
    np.check_grads(outside, order=2)(X)


def test_derivatives_of_primitives_are_differentiated_again():
    np.check_grads(lambda x, f: scaled(x, f, power=3), order=3)(X, np.array(1.5))
    np.check_grads(exponential, order=3)(X)
    derivative = exponential
    for _ in range(4):
        derivative = np.elementwise_grad(derivative)
    assert_allclose(numpy.asarray(derivative(X)), numpy.asarray(np.exp(X)))


def test_constants_need_no_rule():
    @np.primitive
    def shifted(x, by, mode):
        return x + by

    np.defvjp(shifted, lambda ans, x, by, mode: lambda g: g)
    assert_allclose(numpy.asarray(np.grad(lambda x: np.sum(shifted(x, 2, "up")))(X)), [1, 1, 1])
    with pytest.raises(NotImplementedError, match="shifted: no defvjp for argument 1"):
        np.grad(lambda b: np.sum(shifted(X, b, "up")))(X)
    with pytest.raises(NotImplementedError, match="shifted: no defjvp for argument 0"):
        np.jvp(lambda x: shifted(x, 2, "up"), (X,), (X,))
    np.defvjp(shifted, None, argnums=[1])
    assert_allclose(numpy.asarray(np.grad(lambda b: np.sum(shifted(X, b, "up")))(X)), [0, 0, 0])


def test_a_rule_may_lie_and_is_believed():
    @np.primitive
    def straight_through(x):
        return np.round(x)

    np.defvjp(straight_through, lambda ans, x: lambda g: g)
    assert_allclose(numpy.asarray(np.grad(lambda x: np.sum(straight_through(x) * X))(X)), numpy.asarray(X))


def test_rules_of_the_wrong_shape_are_refused():
    @np.primitive
    def total(x):
        return np.sum(x)

    np.defvjp(total, lambda ans, x: lambda g: np.ones(2) * g)
    with pytest.raises(ValueError, match=r"total: the vjp for argument 0 returned shape \(2,\) .* shape \(3,\)"):
        np.grad(total)(X)
    np.defvjp(total, lambda ans, x: lambda g: g)
    assert_allclose(numpy.asarray(np.grad(total)(X)), [1, 1, 1])


def test_complex_rules_follow_the_convention():
    @np.primitive
    def squared(z):
        return z**2

    np.defvjp(squared, lambda ans, z: lambda g: g * 2 * z)
    np.defjvp(squared, lambda g, ans, z: g * 2 * z)
    np.check_grads(squared)(np.array([1 + 2j, 0.5 - 1j]))


def test_primitives_under_vmap_and_jacobian():
    batch = np.outer(X, X)
    found = np.vmap(np.grad(lambda row: np.sum(exponential(row))))(batch)
    assert_allclose(numpy.asarray(found), numpy.asarray(np.exp(batch)))
    assert_allclose(numpy.asarray(np.jacobian(exponential)(X)), np.diag(np.exp(numpy.asarray(X))))
    assert_allclose(numpy.asarray(np.jacobian(outside)(X)), np.diag(1 / (1 + numpy.asarray(X) ** 2)))
