"""The other twelve definitions of a quantile, and quantiles of weighted numbers, along the last axis."""

from __future__ import annotations

import torch
from torch import Tensor

from dlengine.numpy.dtypes import is_inexact
from dlengine.numpy.fallback import readable

# Hyndman and Fan's continuous definitions: the place n q + alpha + q (1 - alpha - beta) - 1, and what lies between.
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0), "hazen": (0.5, 0.5), "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (3 / 8, 3 / 8),
}  # fmt: skip
_EXACT = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")  # one of the numbers themselves
METHODS = (*_CONTINUOUS, *_EXACT, "averaged_inverted_cdf", "midpoint", "linear")


def ranked(x: Tensor, q: Tensor, method: str, skip_nan: bool, wide: torch.dtype) -> Tensor:
    """Quantiles q of every line of x, the axis of q in front. Errors: ValueError for an unknown method."""
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join(METHODS)}")
    ordered = torch.sort(x, -1).values  # NaNs come last
    gaps = torch.isnan(ordered) if is_inexact(x.dtype) else torch.zeros_like(ordered, dtype=torch.bool)
    count = (~gaps).sum(-1) if skip_nan else torch.full(x.shape[:-1], x.shape[-1], device=x.device)
    low, part = _place(method, count.to(q.dtype), q.reshape((-1,) + (1,) * count.dim()))
    value = _taken(ordered, low, count)
    if method not in _EXACT:
        value, after = value.to(wide), _taken(ordered, low + 1, count).to(wide)
        value = torch.lerp(value, after, part.to(wide))
    unknown = count == 0 if skip_nan else gaps[..., -1]
    return torch.where(unknown, torch.nan, value) if is_inexact(x.dtype) else value


def _place(method: str, n: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Where in the sorted line of n numbers: a whole number, and the part of the way to the next one."""
    if method in ("linear", "lower", "higher", "nearest", "midpoint"):
        place = (n - 1) * q
        whole = {"higher": torch.ceil, "nearest": torch.round}.get(method, torch.floor)(place).detach()
        return whole, (place > whole) * 0.5 if method == "midpoint" else place - whole
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        place = n * q + (alpha + q * (1 - alpha - beta)) - 1
        whole = torch.floor(place).detach()
        return whole, place - whole
    place = n * q - (1.5 if method == "closest_observation" else 1)
    whole = torch.floor(place).detach()
    if method == "averaged_inverted_cdf":
        return whole, torch.where(place == whole, 0.5, 1.0)
    stays = (place == whole) & (whole % 2 == 1) if method == "closest_observation" else place == whole
    return torch.where(stays, whole, whole + 1), torch.zeros_like(whole)


def _taken(ordered: Tensor, place: Tensor, count: Tensor) -> Tensor:
    """The elements at the places, which stop at either end of the line."""
    inside = torch.minimum(place, count - 1).clamp(min=0).to(torch.int64)
    return ordered.gather(-1, inside.movedim(0, -1)).movedim(-1, 0)


def weighted(x: Tensor, q: Tensor, method: str, skip_nan: bool, weights: Tensor) -> Tensor:
    """The first of the sorted numbers whose weights together reach q. Errors: ValueError for other methods."""
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights: got: {method}.")
    if readable(weights) and bool((weights < 0).any()):
        raise ValueError("Weights must be non-negative.")
    order = torch.argsort(x, dim=-1, stable=True)
    ordered, mass = x.gather(-1, order), weights.expand(x.shape).gather(-1, order).double()
    gaps = torch.isnan(ordered) if is_inexact(x.dtype) else torch.zeros_like(ordered, dtype=torch.bool)
    share = (torch.where(gaps, 0.0, mass) if skip_nan else mass).cumsum(-1)
    share = share / share[..., -1:]
    unknown = torch.isnan(share[..., -1]) & ~(skip_nan & gaps.all(-1))
    if readable(unknown) and bool(unknown.any()):
        raise ValueError("Weights included NaN, inf or were all zero.")
    share = torch.where(share == 0, -1.0, share)  # the quantile of 0 is the first number with a weight
    place = torch.searchsorted(share.contiguous(), q.expand((*share.shape[:-1], len(q))).contiguous())
    value = ordered.gather(-1, place.clamp(max=x.shape[-1] - 1)).movedim(-1, 0)
    return torch.where(gaps[..., -1], torch.nan, value) if is_inexact(x.dtype) and not skip_nan else value
