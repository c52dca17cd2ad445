"""A fully convolutional network finds one figure in a crowd: it learns from small cut-outs, then reads whole scenes.

Prints how many of the figures in unseen scenes it finds, and shows one search as OUTPUT/waldo.png: the box, what the
network saw, and the figure from near.
"""

import argparse
from pathlib import Path

import dlengine
import numpy as np
import torch
from dlengine.data import Augmented, Dataset, augment
from PIL import Image, ImageDraw, ImageOps
from scene import HEIGHT, SHARP, WIDTH, Box, draw_scene
from torch import nn
from torch.nn import functional as F

CELL = 4  # pixels for each place of the heat map
CUT = 64  # side of a cut-out
UNSEEN = 1_000_000  # seeds from here on are of scenes that are not trained on
NORMALIZE = augment.Normalize(0.5, 0.25)


def network():
    """(N, 3, H, W) -> (N, H/4, W/4): how much the figure is there. Each answer sees 50 pixels around its place."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 48, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(48, 48, 3, padding=2, dilation=2), nn.ReLU()),
        *(nn.Conv2d(48, 48, 3, padding=2, dilation=2), nn.ReLU()),
        *(nn.Conv2d(48, 1, 1), nn.Flatten(1, 2)),
    )


def loss(output, target):
    """Cross entropy in which the figure, which is rare, weighs more."""
    return F.binary_cross_entropy_with_logits(output, target, pos_weight=torch.tensor(3.0))


def pixels(image):
    return np.array(image).transpose(2, 0, 1)


def heat_of(boxes, left, top):
    """The heat map that a cut-out should give: 1 in the places whose middle lies in a box, else 0."""
    x, y = (begin + CELL * (np.arange(CUT // CELL) + 0.5) for begin in (left, top))
    heat = np.zeros((len(y), len(x)), np.float32)
    for box in boxes:
        heat[np.ix_((y > box.top) & (y < box.bottom), (x > box.left) & (x < box.right))] = 1
    return heat


def cut_outs(scenes):
    """Training data: cut-outs around figures, around those who look like them, and anywhere, with their heat maps."""
    x, y = [], []
    for seed in range(scenes):
        scene, chance = draw_scene(seed, figures=8), np.random.default_rng(seed)
        image = pixels(scene.small())
        middles = [box.middle() for box in scene.found + scene.alike[:12]]
        for middle in np.concatenate([middles, chance.random((4, 2)) * (WIDTH, HEIGHT)]):
            corner = np.clip(middle - CUT / 2 + chance.integers(-20, 21, 2), 0, (WIDTH - CUT, HEIGHT - CUT))
            left, top = corner.astype(int) // CELL * CELL
            x.append(image[:, top : top + CUT, left : left + CUT])
            y.append(heat_of(scene.found, left, top))
    return Dataset(np.stack(x), np.stack(y))


def find(model, image):
    """The heat map of a picture, and the box of the warm places around its warmest region."""
    with torch.no_grad():
        heat = model(NORMALIZE(torch.from_numpy(pixels(image))[None], None)).sigmoid()
    region = F.avg_pool2d(heat, (9, 5), 1, (4, 2))[0]  # a figure is about nine places high and four wide
    row, column = divmod(int(region.argmax()), region.shape[1])
    near = torch.zeros_like(region, dtype=torch.bool)
    near[max(row - 6, 0) : row + 7, max(column - 4, 0) : column + 5] = True
    warm = near & (heat[0] >= min(0.5, float(heat[0][near].max())))
    y, x = (CELL * places.numpy() for places in warm.nonzero().T)
    return heat[0].numpy(), Box(x.min(), y.min(), x.max() + CELL, y.max() + CELL)


def show(scene, heat, box):
    """The scene with the box, and below it the scene in the dark, lit where the network is warm."""
    size = scene.large.size
    edges = [edge * SHARP for edge in (box.left - 3, box.top - 3, box.right + 3, box.bottom + 3)]
    found = scene.large.copy()
    for width, colour in ((14, "white"), (8, "#e6007e")):
        ImageDraw.Draw(found).rounded_rectangle(edges, 18, outline=colour, width=width)
    light = Image.fromarray((heat**0.5 * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    night = ImageOps.colorize(ImageOps.grayscale(scene.large), "#05060f", "#39456b")
    glow = ImageOps.colorize(light, "#000000", "#fff4c2", mid="#ff5a1f")
    lit = Image.composite(Image.blend(scene.large, glow, 0.35), night, light)
    x, y = (int(SHARP * place) for place in box.middle())
    near = scene.large.crop((x - 66, y - 66, x + 66, y + 66)).resize((330, 330), Image.Resampling.LANCZOS)
    ring = Image.new("L", near.size)
    ImageDraw.Draw(ring).ellipse((6, 6, 324, 324), fill=255)
    corner = (20 if x > size[0] / 2 else size[0] - 350, size[1] - 350)
    ImageDraw.Draw(lit).ellipse((corner[0] - 2, corner[1] - 2, corner[0] + 332, corner[1] + 332), fill="#e6007e")
    lit.paste(near, corner, ring)
    sheet = Image.new("RGB", (size[0], 2 * size[1] + 12), "white")
    sheet.paste(found, (0, 0))
    sheet.paste(lit, (0, size[1] + 12))
    return sheet


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--scenes", type=int, default=120, help="scenes to learn from")
parser.add_argument("--epochs", default="5ep", help='"5ep" are epochs, "100ba" are steps')
parser.add_argument("--unseen", type=int, default=200, help="scenes to search")
parser.add_argument("--output", type=Path, default=Path("output"), help="folder of the picture")
options = parser.parse_args()

train = Augmented(cut_outs(options.scenes), [augment.ColorJitter(0.15, 0.15, 0.15, 0.02), NORMALIZE])
recipe = {"batch_size": 32, "optimizer": "adam", "lr": 0.004, "schedule": "one-cycle", "loss": loss}
model = dlengine.fit(network(), train, epochs=options.epochs, **recipe).model

hits, overlaps = [], []
for number in range(options.unseen):
    scene = draw_scene(UNSEEN + number)
    heat, box = find(model, scene.small())
    hits.append(scene.found[0].holds(box.middle()))
    overlaps.append(scene.found[0].overlap(box))
    if number == 0:
        options.output.mkdir(parents=True, exist_ok=True)
        show(scene, heat, box).save(options.output / "waldo.png")
print(f"found {sum(hits)} of {len(hits)} unseen figures; mean overlap of box and figure {np.mean(overlaps):.2f}")
print(f"the first search is shown in {options.output / 'waldo.png'}")
