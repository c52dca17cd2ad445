"""What cannot be differentiated is refused in words."""

from __future__ import annotations

import dlengine.numpy as np
import numpy
import pytest
from dlengine.numpy.fallback import fallback

X = np.array([0.3, -1.2, 2.0])


def test_integer_arguments_are_refused_by_place():
    with pytest.raises(TypeError, match=r"argument 0 is of dtype int64.*3\.0 for 3"):
        np.grad(lambda x: x**2)(3)
    with pytest.raises(TypeError, match=r"argument 'p'\['w'\]\[1\] is of dtype bool"):
        np.grad(lambda p: p["w"][0], "p")(p={"w": [1.0, True]})
    with pytest.raises(TypeError, match="argument 1 is of type str"):
        np.grad(lambda x, y: x, 1)(1.0, "y")


def test_values_that_are_no_real_number_are_refused():
    with pytest.raises(TypeError, match=r"cumsum must return one number, but returned shape \(3,\).*jacobian"):
        np.grad(np.cumsum)(X)
    with pytest.raises(TypeError, match="not NoneType"):
        np.grad(lambda x: None)(X)
    with pytest.raises(TypeError, match="not tuple"):
        np.grad(lambda x: (x[0], x[1]))(X)
    with pytest.raises(TypeError, match=r"complex number.*real part.*holomorphic"):
        np.grad(lambda z: z)(1j)
    with pytest.raises(TypeError, match="returned dtype int64"):
        np.grad(np.argmax)(X)
    with pytest.raises(TypeError, match=r"must return \(value, anything\)"):
        np.grad(np.sum, has_aux=True)(X)


def test_arguments_that_are_not_there_are_named():
    with pytest.raises(TypeError, match="sum has no argument 'weight'"):
        np.grad(np.sum, "weight")(X)
    with pytest.raises(TypeError, match="argnum 2, but sum was called with 1"):
        np.grad(np.sum, 2)(X)


def test_vectors_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"tangent has shape \(2,\), and \(3,\) is needed"):
        np.jvp(np.sin, (X,), (X[:2],))
    with pytest.raises(ValueError, match=r"cotangent has shape \(\), and \(3,\)"):
        np.vjp(np.sin, X)[1](1.0)
    with pytest.raises(ValueError, match=r"vector has shape \(2,\)"):
        np.hvp(lambda x: np.sum(x**2))(X, X[:2])
    with pytest.raises(ValueError, match="has 2 arrays, and 1"):
        np.jvp(np.sin, (X,), (X, X))


def test_vmap_says_which_axes_do_not_fit():
    with pytest.raises(ValueError, match="differ in length: 3, 2"):
        np.vmap(np.add)(X, X[:2])
    with pytest.raises(ValueError, match=r"axis 1 of an array of shape \(3,\)"):
        np.vmap(np.sin, in_axes=1)(X)
    with pytest.raises(ValueError, match="maps no array"):
        np.vmap(np.sin, in_axes=None)(X)
    with pytest.raises(ValueError, match="shape of what they are for"):
        np.vmap(np.add, in_axes=(0, 0, 0))(X, X)
    with pytest.raises(TypeError, match="str has no axes"):
        np.vmap(lambda x, s: x)(X, "s")
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        np.vmap(lambda x: x if x > 0 else -x)(X)


def test_a_gradient_through_a_numpy_fallback_is_refused():
    on_host = fallback("sinc")
    with pytest.raises(TypeError, match="sinc runs in NumPy, which gradients cannot pass"):
        np.grad(lambda x: np.sum(on_host(x)))(X)
    with pytest.raises(TypeError, match="sinc runs in NumPy"):
        np.jvp(on_host, (X,), (X,))
    with pytest.raises(TypeError, match="sinc runs in NumPy"):
        np.vmap(on_host)(X)


def test_jacobian_needs_one_array():
    with pytest.raises(TypeError, match="must return one array, not 2"):
        np.jacobian(lambda x: (x, x))(X)


def test_check_grads_finds_a_wrong_derivative():
    @np.primitive
    def cube(x):
        return x**3

    np.defvjp(cube, lambda ans, x: lambda g: g * 3 * x)
    with pytest.raises(AssertionError, match=r"cube, reverse mode: the derivative is .*, finite differences give"):
        np.check_grads(cube, modes=["rev"])(X)
    with pytest.raises(ValueError, match="unknown mode 'both'"):
        np.check_grads(cube, modes=["both"])


def test_an_array_under_a_gradient_does_not_turn_into_numpys_silently():
    def through_numpy(x):
        return (numpy.asarray(x) ** 2).sum()

    def through_a_foreign_ufunc(x):
        return np.sum(numpy.frompyfunc(lambda a: 2 * a, 1, 1)(x))

    for function in (through_numpy, through_a_foreign_ufunc):
        with pytest.raises(TypeError, match=r"under a gradient|gradients cannot pass"):
            np.grad(function)(np.ones(3))
        with pytest.raises(TypeError, match=r"inside jvp or vmap|gradients cannot pass"):
            np.jvp(function, (np.ones(3),), (np.ones(3),))
        with pytest.raises(TypeError, match=r"inside jvp or vmap|gradients cannot pass"):
            np.vmap(function)(np.ones((2, 3)))
    assert np.grad(lambda x: (numpy.asarray(x.tensor.detach()) * x).sum())(np.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_a_rule_belongs_to_a_primitive():
    with pytest.raises(TypeError, match="defvjp of a function: write @primitive above"):
        np.defvjp(lambda x: x, lambda ans, x: lambda g: g)
    with pytest.raises(TypeError, match="defjvp of a function: write @primitive above"):
        np.defjvp(lambda x: x, lambda g, ans, x: g)


def test_a_device_that_nobody_knows_is_named():
    with pytest.raises(ValueError, match="unknown device 'gpu': use 'cpu'"):
        np.zeros(3, device="gpu")
