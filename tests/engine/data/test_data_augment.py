"""Augmentation: right by hand, repeatable by sample, and independent of batches and ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import Augmented, Dataset, augment
from dlengine.data.draws import Draws
from hypothesis import given, settings
from hypothesis import strategies as st

ALL = [
    augment.Shift(2),
    augment.Flip(),
    augment.Affine(20, (0.8, 1.2), 0.1, 5),
    augment.ColorJitter(0.3, 0.3, 0.3, 0.1),
    augment.Cutout(3),
    augment.Normalize([0.5, 0.4, 0.3], 0.25),
]


class Fixed:
    """Draws of which every number is a given one."""

    def __init__(self, *values):
        self.values = iter(values)

    def uniform(self, low=0.0, high=1.0, count=1):
        return np.full((1, count), next(self.values), float)

    def integers(self, low, high, count=1):
        return np.array([next(self.values)] * count if count == 1 else next(self.values)).reshape(1, count)


def images(samples=6, channels=3, kind=torch.uint8, side=8):
    values = torch.randint(0, 256, (samples, channels, side, side), generator=torch.Generator().manual_seed(0))
    return values.to(torch.uint8) if kind == torch.uint8 else values / 255


def test_shift_moves_and_fills_with_zeros():
    picture = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3)
    shift = augment.Shift(1)
    assert shift(picture, Fixed([1, 1])).tolist() == picture.tolist()
    assert shift(picture, Fixed([0, 2]))[0, 0].tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    many = shift(picture.expand(300, -1, -1, -1), Draws(0, 0, np.arange(300)))
    assert len(many.unique(dim=0)) == 9


def test_flip_mirrors_about_half():
    picture = images(400)
    flipped = augment.Flip()(picture, Draws(0, 0, np.arange(400)))
    mirrored = (flipped == picture.flip(-1)).flatten(1).all(1)
    assert ((flipped == picture).flatten(1).all(1) ^ mirrored).all()
    assert 160 < mirrored.sum() < 240
    assert torch.equal(augment.Flip(1.0)(picture, Draws(0, 0, np.arange(400))), picture.flip(-1))


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_affine_turns_scales_and_moves_as_numpy_does(kind):
    picture = images(1, kind=kind)
    turn = augment.Affine(degrees=90)
    turned = turn(picture, Fixed(90, 0, 0, 0))
    assert torch.allclose(turned.float(), picture.rot90(-1, (2, 3)).float(), atol=1e-3)
    assert torch.equal(augment.Affine()(picture, Draws(0, 0, np.arange(1))), picture)
    moved = augment.Affine(translate=0.5)(picture, Fixed(0, 0, 0, 0.25))
    assert torch.allclose(moved[..., :6, :6].float(), picture[..., 2:, 2:].float(), atol=1e-3)
    wide = torch.zeros(1, 1, 20, 40)
    wide[..., 8:12, 10:30] = 1  # a bar of 20 by 4 stands upright after a quarter turn, and keeps its size
    upright = turn(wide, Fixed(90, 0, 0, 0))[0, 0]
    assert upright[:, 18:22].sum() == upright.sum() == 80
    large = augment.Affine(scale=(2, 2))(wide, Fixed(0, 0, np.log(2), 0))
    assert 270 < large.sum() <= 320  # four times the area, less what leaves the picture


def test_colours_change_as_their_definitions_say():
    picture = images(1, kind=torch.float32)
    grey = (picture * torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(1, keepdim=True)

    class Draw(Fixed):
        def uniform(self, low=0.0, high=1.0, count=1):
            return np.array([next(self.values)] if count > 1 else [[next(self.values)]], float)

    jitter = augment.ColorJitter(1, 1, 1, 0.5)
    assert torch.allclose(jitter(picture, Draw([0, 0, 0], 0)), picture, atol=1e-5)
    assert torch.allclose(jitter(picture, Draw([-0.5, 0, 0], 0)), picture / 2, atol=1e-5)
    assert torch.allclose(jitter(picture, Draw([0, -1, 0], 0)), picture.mean().expand_as(picture), atol=1e-5)
    assert torch.allclose(jitter(picture, Draw([0, 0, -1], 0)), grey.expand_as(picture), atol=1e-3)
    gentle = picture * 0.2 + 0.4  # so that no colour is clipped
    turned = jitter(gentle, Draw([0, 0, 0], 0.25))
    assert torch.allclose(jitter(turned, Draw([0, 0, 0], -0.25)), gentle, atol=1e-4)
    assert not torch.allclose(turned, gentle, atol=0.01)
    assert jitter(images(2, channels=1), Draws(0, 0, np.arange(2))).dtype == torch.uint8


def test_cutout_blanks_one_square():
    blank = augment.Cutout(3)(torch.ones(50, 2, 8, 8), Draws(0, 0, np.arange(50))) == 0
    for each in blank:
        assert torch.equal(each[0], each[1])
        rows, columns = each[0].any(1).nonzero(), each[0].any(0).nonzero()
        assert each[0].sum() == len(rows) * len(columns)
        assert 2 <= len(rows) <= 3
    assert blank.flatten(1).sum(1).unique().tolist() == [8, 12, 18]


def test_normalize_of_bytes_and_floats():
    for kind in (torch.uint8, torch.float32):
        x = augment.Normalize([0.5, 0.4, 0.3], [0.1, 0.2, 0.5])(images(kind=kind), Draws(0, 0, np.arange(6)))
        assert x.dtype == torch.float32
        back = x * torch.tensor([0.1, 0.2, 0.5])[:, None, None] + torch.tensor([0.5, 0.4, 0.3])[:, None, None]
        assert torch.allclose(back, images(kind=torch.float32), atol=1e-5)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
@settings(max_examples=10, deadline=None)
def test_a_sample_becomes_the_same_in_any_batch(kind, order, cut):
    data = Augmented(Dataset(images(kind=kind), np.arange(6)), ALL, seed=5)
    data.set_epoch(2)
    whole, _ = data.batch(range(6))
    for part in (order[:cut], order[cut:]):
        x, y = data.batch(part)
        assert y.tolist() == list(part)
        assert torch.equal(x, whole[list(part)])


def test_epoch_seed_and_place_in_the_chain_change_what_happens():
    def batch(transforms=ALL, epoch=0, **options):
        data = Augmented(Dataset(images(), np.arange(6)), transforms, **options)
        data.set_epoch(epoch)
        return data.batch(range(6))[0]

    assert torch.equal(batch(), batch())
    assert not torch.equal(batch(), batch(epoch=1))
    assert not torch.equal(batch(), batch(seed=1))
    once = torch.rand(6, 3, 8, 8)
    both = Augmented(Dataset(once, np.arange(6)), [augment.Flip(), augment.Flip()]).batch(range(6))[0]
    assert not torch.equal(both, once)  # two flips with the same draws would undo each other


def test_mixup_blends_pairs_of_the_whole_set_and_their_labels():
    data = Dataset(torch.eye(4).repeat(50, 1)[:, None, None], np.tile(np.arange(4), 50))
    mixed = Augmented(data, mixup=0.8, classes=4)
    x, y = mixed.batch(range(200))
    assert torch.allclose(x[:, 0, 0], y, atol=1e-6)
    assert torch.allclose(y.sum(1), torch.ones(200))
    assert y.max(1).values.min() < 0.6
    assert torch.equal(mixed.batch([7, 150])[0], x[[7, 150]])
    with pytest.raises(EngineError, match="labels from 0 to 3, and classes=3"):
        Augmented(data, mixup=0.2, classes=3).batch(range(8))
    with pytest.raises(EngineError, match="end the transforms with Normalize"):
        Augmented(Dataset(images(), np.arange(6)), mixup=0.2, classes=6).batch([0])


def test_draws_are_uniform_and_independent():
    draws = Draws(1, 2, np.arange(20000))
    unit = draws.uniform(count=3)
    assert unit.min() >= 0
    assert unit.max() < 1
    assert np.abs(np.histogram(unit, 10, (0, 1))[0] / 6000 - 1).max() < 0.06
    assert np.abs(np.corrcoef(unit.T) - np.eye(3)).max() < 0.03
    assert abs(np.corrcoef(unit[1:, 0], unit[:-1, 0])[0, 1]) < 0.03
    assert np.unique(draws.integers(-1, 2)).tolist() == [-1, 0, 1, 2]
    for alpha in (0.05, 0.2, 1.0):
        beta = Draws(3, 0, np.arange(20000)).beta(alpha)
        assert abs(beta.mean() - 0.5) < 0.02
        assert beta.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: augment.Shift(-1),
        lambda: augment.Flip(1.5),
        lambda: augment.Affine(scale=(2, 1)),
        lambda: augment.Affine(shear=90),
        lambda: augment.ColorJitter(hue=-1),
        lambda: augment.Cutout(0),
        lambda: augment.Normalize(0, 0),
        lambda: augment.Normalize([0, 0], 1)(images(), Draws(0, 0, np.arange(6))),
        lambda: Augmented(Dataset(images(), np.arange(6)), mixup=0.2),
        lambda: Augmented(Dataset(images(), np.arange(6)), mixup=2, classes=3),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(EngineError, match="hint"):
        make()
