"""Arrays and torch together: modules, optimizers, autograd in both directions, compilation."""

from __future__ import annotations

import dlengine.numpy as np
import numpy
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn


def same(found, expected):
    assert_allclose(numpy.asarray(found), numpy.asarray(expected), rtol=1e-6)


def test_tensors_in_tensors_out():
    x = torch.tensor([1.0, 2.0])
    seen = []

    def f(x):
        seen.append(type(x))
        return (x**3).sum()

    gradient = np.grad(f)(x)
    assert seen == [torch.Tensor]
    assert torch.equal(gradient, 3 * x**2)
    assert not gradient.requires_grad


def test_a_function_of_arrays_inside_a_module_trains_with_a_torch_optimizer():
    class Curve(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Parameter(torch.tensor([0.1, 0.1]))

        def forward(self, x):
            a = np.asarray(self.a)
            return (a[0] * np.sin(np.asarray(x)) + a[1] * x).tensor

    model, x = Curve(), torch.linspace(-3, 3, 50)
    target = 2 * torch.sin(x) - 0.5 * x
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert model.a.detach().numpy() == pytest.approx([2, -0.5], abs=0.01)


def test_a_torch_optimizer_updates_parameters_that_are_arrays():
    w = np.zeros(3)
    w.tensor.requires_grad_()
    optimizer = torch.optim.SGD([w.tensor], lr=0.1)
    goal = np.array([1.0, -2.0, 3.0])
    for _ in range(100):
        optimizer.zero_grad()
        np.sum((w - goal) ** 2).tensor.backward()
        optimizer.step()
    same(w.tensor.detach(), goal)


def test_gradients_of_ours_feed_a_torch_optimizer():
    w, goal = np.zeros(2), np.array([1.0, -1.0])
    optimizer = torch.optim.SGD([w.tensor], lr=0.25)
    for _ in range(60):
        w.tensor.grad = np.grad(lambda w: np.sum((w - goal) ** 2))(w).tensor
        optimizer.step()
    same(w, goal)


def test_a_module_inside_a_function_of_arrays():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    f = lambda x: np.sum(np.asarray(net(x.tensor)) ** 2)  # noqa: E731
    np.check_grads(f)(np.array([0.5, -0.3]))
    assert all(p.grad is None for p in net.parameters())


def test_gradients_with_respect_to_a_modules_parameters():
    net = nn.Linear(2, 1)
    x = torch.ones(3, 2)
    loss = lambda params: (torch.func.functional_call(net, params, (x,)) ** 2).mean()  # noqa: E731
    params = {name: each.detach() for name, each in net.named_parameters()}
    found = np.grad(loss)(params)
    loss(dict(net.named_parameters())).backward()
    assert torch.allclose(found["weight"], net.weight.grad)
    assert torch.allclose(found["bias"], net.bias.grad)


def test_a_penalty_on_a_gradient_reaches_the_modules_parameters():
    net = nn.Linear(2, 1).double()
    slope = np.grad(lambda x: np.asarray(net(x.tensor))[0], keep_graph=True)
    penalty = np.sum(slope(np.ones(2)) ** 2)
    penalty.tensor.backward()
    assert torch.allclose(net.weight.grad, 2 * net.weight.detach())


def test_arguments_that_require_a_gradient_keep_their_history():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    np.grad(lambda x: (x**3).sum())(x).sum().backward()
    assert torch.equal(x.grad, 6 * x.detach())
    with torch.no_grad():
        assert not np.grad(lambda x: (x**3).sum())(x).requires_grad


@pytest.mark.slow
@pytest.mark.parametrize("transform", [np.grad, np.hessian, lambda f: lambda x: np.jvp(f, (x,), (x,))[1]])
def test_transformations_compile_without_a_graph_break(transform):
    f = transform(lambda x: np.sum(np.multiply(np.tanh(x), x)))
    x = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    expected = f(np.asarray(x))
    compiled = torch.compile(lambda t: f(np.asarray(t)).tensor, backend="aot_eager", fullgraph=True)
    same(compiled(x), expected)


@pytest.mark.slow
def test_the_gradient_of_a_compiled_function():
    x = np.array([0.3, -0.7])
    np.square(np.sin(x))
    f = torch.compile(lambda t: np.square(np.sin(np.asarray(t))).tensor, backend="aot_eager", fullgraph=True)
    same(np.grad(lambda x: np.sum(np.asarray(f(x.tensor))))(x), np.sin(2 * x))


def test_torchs_own_transformations_work_inside_ours():
    def loss(x):
        return np.asarray(torch.func.grad(lambda t: (t**3).sum())(x.tensor)).sum()

    assert np.grad(loss)(np.array([1.0, 2.0])).tolist() == [6.0, 12.0]
    assert np.grad(lambda x: (np.grad(loss)(x) ** 2).sum())(np.array([1.0, 2.0])).tolist() == [72.0, 144.0]
