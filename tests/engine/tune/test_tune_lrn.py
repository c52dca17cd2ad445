"""Local response normalization in few passes gives what torch's gives."""

from __future__ import annotations

import pytest
import torch
from dlengine import fit
from dlengine.tune import Plan, applied, lrn
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)

SIZES = (1, 2, 3, 4, 5, 9, 20)


def direct(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with applied(Plan(norms=("",)), layer):
        return layer(x)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_values_and_gradients_of_both_orders_are_right(size, beta):
    layer = nn.LocalResponseNorm(size, alpha=0.3, beta=beta, k=1.5)
    x = torch.randn(2, 7, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(size)).requires_grad_()
    torch.testing.assert_close(direct(layer, x), F.local_response_norm(x, size, 0.3, beta, 1.5))
    with applied(Plan(norms=("",)), layer):
        assert torch.autograd.gradcheck(layer, (x,))
        assert torch.autograd.gradgradcheck(layer, (x,))


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 4, 4), (2, 5, 2, 3, 2), (0, 3, 2, 2)])
def test_every_shape_is_as_in_torch(shape):
    x = torch.randn(shape)
    torch.testing.assert_close(direct(nn.LocalResponseNorm(3), x), nn.LocalResponseNorm(3)(x))


def test_types_of_lower_precision_are_left_to_torch():
    x = torch.randn(2, 3, 5).bfloat16()
    assert torch.equal(direct(nn.LocalResponseNorm(3), x), nn.LocalResponseNorm(3)(x))


def test_memory_order_stays():
    x = torch.randn(2, 6, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    y = direct(nn.LocalResponseNorm(5), x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.sum().backward()
    assert x.grad.is_contiguous(memory_format=torch.channels_last)


def test_vectorized_and_forward_derivatives_still_work():
    layer, x, v = nn.LocalResponseNorm(3), torch.randn(4, 6, 2, 2), torch.randn(4, 6, 2, 2)
    wanted = torch.func.jvp(layer, (x,), (v,))[1]
    single = torch.func.vmap(torch.func.grad(lambda one: layer(one[None]).sum()))(x)
    with applied(Plan(norms=("",)), layer):
        torch.testing.assert_close(torch.func.jvp(layer, (x,), (v,))[1], wanted)
        torch.testing.assert_close(torch.func.vmap(torch.func.grad(lambda one: layer(one[None]).sum()))(x), single)


def test_fit_uses_it_and_leaves_the_layers_as_they_were(capsys):
    torch.manual_seed(0)
    watched = nn.LocalResponseNorm(3)
    watched.register_forward_hook(lambda module, given, made: None)
    norm = nn.LocalResponseNorm(3)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), norm, watched, nn.Flatten(), nn.Linear(16, 2))
    assert lrn.find(model) == ("1",)
    fit(model, (torch.randn(16, 1, 4, 4), torch.arange(16) % 2), epochs=1, batch_size=8, device="cpu")
    assert "1 normalization in few passes" in capsys.readouterr().out
    assert "forward" not in vars(norm)
