"""Busy scenes in which a figure hides: striped shirt, bobble hat and glasses, among people who wear parts of that."""

import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 384, 256  # pixels that the network sees
SHARP = 3  # the picture is drawn so many times larger, and made smaller for the network

RED, WHITE, BLUE, BROWN, BLACK = "#d8202a", "#fbf7f0", "#2f5fb3", "#6b3e1f", "#222222"
SKINS = ["#f6d0b1", "#e8b48a", "#c98b5e", "#8d5a37", "#5c3a24"]
HAIRS = [BLACK, BROWN, "#c9a23f", "#a34a1e", "#8a8a8a"]
WALLS = ["#c97f5a", "#d9b779", "#a8b8a0", "#b56a6a", "#cfc4b0"]
COLOURS = ["#2f5fb3", "#2e8b57", "#f2c230", "#8e44ad", "#e67e22", "#16a0a0", "#d94f86", "#5d6d7e", "#d8202a", "#7fb04f"]
GROUNDS = {"beach": "#ecd9a5", "meadow": "#9cc56b", "square": "#c9c0b4", "snow": "#e9eef3"}
SHADES = {"beach": "#d3be86", "meadow": "#7fae52", "square": "#aea598", "snow": "#cdd8e4"}


@dataclass(frozen=True)
class Look:
    """What somebody wears. `shirt`: colours of its stripes; `across`: whether they run from left to right."""

    shirt: tuple[str, ...]
    across: bool = True
    hat: tuple[str, ...] = ()  # colours of a bobble hat from the bobble down
    cap: str = ""
    glasses: bool = False
    hair: str = BROWN
    skin: str = SKINS[0]
    trousers: str = BLUE


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the network's picture."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Intersection over union."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        common = max(width, 0) * max(height, 0)
        return common / (self.area() + other.area() - common)

    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def holds(self, point: tuple[float, float]) -> bool:
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom


@dataclass
class Scene:
    """A picture, and where the figure, or in training figures, and those who look like it stand."""

    large: Image.Image
    found: list[Box] = field(default_factory=list)
    alike: list[Box] = field(default_factory=list)

    def small(self) -> Image.Image:
        """The picture as the network sees it."""
        return self.large.reduce(SHARP)


STRIPES = (RED, WHITE) * 3 + (RED,)
WALDO = Look(STRIPES, hat=(RED, WHITE, RED), glasses=True)


def draw_scene(seed: int, figures: int = 1, crowd: int = 140) -> Scene:
    """A scene with so many figures to find; the same one for the same seed."""
    chance = random.Random(seed)
    theme = chance.choice(list(GROUNDS))
    scene = Scene(Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), GROUNDS[theme]))
    pen = Pen(scene.large)
    _ground(pen, chance, theme)
    places = _places(chance, crowd)
    chosen = set(chance.sample(range(len(places) // 4, len(places)), figures))
    for number, (x, y) in enumerate(places):
        size = 30 + 12 * y / HEIGHT + chance.uniform(-2, 2)
        box = Box(x - size * 0.23, y - size, x + size * 0.23, y)
        if number in chosen:
            scene.found.append(box)
            _person(pen, chance, WALDO, box, SHADES[theme])
        elif chance.random() < 0.25:
            scene.alike.append(box)
            _person(pen, chance, _alike(chance), box, SHADES[theme])
        elif chance.random() < 0.16:
            _thing(pen, chance, x, y, size)
        else:
            _person(pen, chance, _anybody(chance), box, SHADES[theme])
    return scene


def _places(chance: random.Random, crowd: int) -> list[tuple[float, float]]:
    """Where people stand, from back to front, on a grid that nobody keeps to exactly."""
    rows = round(math.sqrt(crowd * HEIGHT / WIDTH / 1.2))
    columns = round(crowd / rows)
    places = []
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5 + (row % 2 - 0.5) * 0.5 + chance.uniform(-0.3, 0.3)) * WIDTH / columns
            y = 42 + (row + chance.uniform(0, 0.55)) * (HEIGHT - 46) / (rows - 0.45)
            places.append((min(max(x, 11), WIDTH - 11), min(y, HEIGHT - 2)))
    return sorted(places, key=lambda place: place[1])


def _anybody(chance: random.Random) -> Look:
    plain = (chance.choice(COLOURS),)
    pair = (*chance.sample([*COLOURS[:8], WHITE, BLACK], 2),) * 3
    return Look(
        shirt=plain if chance.random() < 0.55 else pair,
        across=chance.random() < 0.6,
        hat=tuple(chance.sample(COLOURS, 3)) if chance.random() < 0.15 else (),
        cap=chance.choice(COLOURS) if chance.random() < 0.25 else "",
        glasses=chance.random() < 0.15,
        hair=chance.choice(HAIRS),
        skin=chance.choice(SKINS),
        trousers=chance.choice([*COLOURS, BLACK]),
    )


def _alike(chance: random.Random) -> Look:
    """Somebody who wears some of the things that give the figure away, but not all."""
    other = (chance.choice([BLUE, BLACK, "#2e8b57", "#f2c230"]), WHITE) * 3
    common = {"hair": chance.choice(HAIRS), "trousers": chance.choice([BLUE, BLUE, BLACK, "#2e8b57"])}
    return chance.choice(
        [
            Look(STRIPES, glasses=chance.random() < 0.5, **common),  # no hat
            Look((chance.choice(COLOURS),), hat=WALDO.hat, glasses=True, **common),  # a plain shirt
            Look(other, hat=(other[0], WHITE, other[0]), glasses=True, **common),  # other colours
            Look(STRIPES, across=False, hat=WALDO.hat, glasses=True, **common),  # stripes from top to bottom
            Look(STRIPES, cap=chance.choice(COLOURS), glasses=True, **common),  # a cap
        ]
    )


class Pen:
    """Draws in the network's pixels on the large picture."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: str | None, line: str | None = None) -> None:
        self._draw.ellipse(_large(x - rx, y - ry, x + rx, y + ry), fill=fill, outline=line)

    def block(self, left: float, top: float, right: float, bottom: float, fill: str, round_: float = 0) -> None:
        self._draw.rounded_rectangle(_large(left, top, right, bottom), round_ * SHARP, fill=fill)

    def line(self, points: list[tuple[float, float]], fill: str, width: float) -> None:
        places = [(x * SHARP, y * SHARP) for x, y in points]
        self._draw.line(places, fill=fill, width=round(width * SHARP), joint="curve")

    def shape(self, points: list[tuple[float, float]], fill: str) -> None:
        self._draw.polygon([(x * SHARP, y * SHARP) for x, y in points], fill=fill)

    def slice(self, x: float, y: float, r: float, begin: float, end: float, fill: str) -> None:
        self._draw.pieslice(_large(x - r, y - r, x + r, y + r), begin, end, fill=fill)


def _large(*edges: float) -> list[float]:
    return [edge * SHARP for edge in edges]


def _person(pen: Pen, chance: random.Random, look: Look, box: Box, shadow: str) -> None:
    """Somebody who fills the box, arms apart."""
    h, x = box.bottom - box.top, (box.left + box.right) / 2
    top = box.top

    def at(part: float) -> float:
        return top + part * h

    pen.oval(x, box.bottom - 0.01 * h, 0.24 * h, 0.04 * h, shadow)
    stride = chance.uniform(0.02, 0.07) * h
    for side in (-1, 1):
        foot = x + side * (0.05 * h + stride)
        pen.line([(x + side * 0.06 * h, at(0.68)), (foot, at(0.96))], look.trousers, 0.095 * h)
        pen.oval(foot + side * 0.02 * h, at(0.975), 0.06 * h, 0.028 * h, BLACK)
    for side in (-1, 1):
        up = chance.random() < 0.15
        hand = x + side * chance.uniform(0.17, 0.23) * h, at(0.2 if up else chance.uniform(0.56, 0.64))
        pen.line([(x + side * 0.1 * h, at(0.43)), hand], look.shirt[0], 0.07 * h)
        pen.oval(*hand, 0.035 * h, 0.035 * h, look.skin)
    _shirt(pen, look, x - 0.125 * h, at(0.385), x + 0.125 * h, at(0.71))
    _head(pen, look, x, at(0.25), 0.135 * h)


def _shirt(pen: Pen, look: Look, left: float, top: float, right: float, bottom: float) -> None:
    count = len(look.shirt)
    pen.block(left, top, right, bottom, look.shirt[0], (right - left) * 0.2)
    for number, colour in enumerate(look.shirt[1:], start=1):
        if look.across:
            y = top + (bottom - top) * number / count
            pen.block(left, y, right, y + (bottom - top) / count, colour)
        else:
            x = left + (right - left) * number / count
            pen.block(x, top, x + (right - left) / count, bottom, colour)


def _head(pen: Pen, look: Look, x: float, y: float, r: float) -> None:
    pen.oval(x, y - 0.1 * r, 1.1 * r, 1.1 * r, look.hair)
    pen.oval(x, y + 0.12 * r, 0.95 * r, 0.95 * r, look.skin)
    for side in (-1, 1):
        pen.oval(x + side * 0.4 * r, y + 0.05 * r, 0.12 * r, 0.15 * r, BLACK)
        if look.glasses:
            pen.oval(x + side * 0.42 * r, y + 0.05 * r, 0.36 * r, 0.36 * r, None, BLACK)
            pen.line([(x + side * 0.75 * r, y), (x + side * 0.95 * r, y - 0.1 * r)], BLACK, 0.12 * r)
    pen.line([(x - 0.3 * r, y + 0.6 * r), (x, y + 0.72 * r), (x + 0.3 * r, y + 0.6 * r)], "#8c3b2e", 0.14 * r)
    if look.hat:
        bobble, cloth, brim = look.hat
        pen.slice(x, y - 0.35 * r, 1.12 * r, 180, 360, cloth)
        pen.block(x - 1.15 * r, y - 0.62 * r, x + 1.15 * r, y - 0.3 * r, brim, 0.15 * r)
        pen.oval(x, y - 1.5 * r, 0.34 * r, 0.34 * r, bobble)
    elif look.cap:
        pen.slice(x, y - 0.3 * r, 1.1 * r, 180, 360, look.cap)
        pen.block(x, y - 0.45 * r, x + 1.6 * r, y - 0.25 * r, look.cap, 0.1 * r)


def _thing(pen: Pen, chance: random.Random, x: float, y: float, size: float) -> None:
    """A parasol, a towel or a ball, which may have the figure's colours, or a bush."""
    first, second = chance.choice([(RED, WHITE), (RED, WHITE), tuple(chance.sample(COLOURS, 2))])
    kind = chance.choice(["parasol", "towel", "ball", "bush"])
    if kind == "parasol":
        pen.line([(x, y), (x, y - size)], "#8a6a45", 1.2)
        for number in range(6):
            pen.slice(x, y - size * 0.7, size * 0.5, 180 + 30 * number, 210 + 30 * number, (first, second)[number % 2])
    elif kind == "towel":
        for number in range(7):
            left, right = (x + size * (0.11 * edge - 0.4) for edge in (number, number + 1))
            lean, back = size * 0.15, y - size * 0.45
            corners = [(left, y), (right, y), (right + lean, back), (left + lean, back)]
            pen.shape(corners, (first, second)[number % 2])
    elif kind == "ball":
        for number in range(6):
            pen.slice(x, y - size * 0.2, size * 0.2, 60 * number, 60 * number + 60, (first, second)[number % 2])
    else:
        for _ in range(9):
            left, up = chance.uniform(-0.35, 0.35) * size, chance.uniform(0.1, 0.5) * size
            pen.oval(x + left, y - up, size * 0.17, size * 0.15, chance.choice(["#3f7d3a", "#4f9447", "#2f6b33"]))


def _ground(pen: Pen, chance: random.Random, theme: str) -> None:
    """What lies behind and below everybody."""
    horizon = 26
    pen.block(0, 0, WIDTH, horizon, {"beach": "#6fb7d9", "snow": "#b9d3ea"}.get(theme, "#a9d4ef"))
    for _ in range(4):
        x, y = chance.uniform(0, WIDTH), chance.uniform(4, 14)
        for part in range(4):
            pen.oval(x + 6 * part, y + chance.uniform(-2, 2), 8, 4, "#ffffff")
    if theme == "beach":
        pen.block(0, horizon - 10, WIDTH, horizon + 6, "#2f8fb8")
        for x in range(0, WIDTH, 12):
            pen.oval(x + 6, horizon + 6, 8, 2.5, "#eaf6fa")
    elif theme == "square":
        x = 0.0
        while x < WIDTH:
            width, top = chance.uniform(26, 44), chance.uniform(2, 12)
            pen.block(x, top, x + width, horizon + 8, chance.choice(WALLS))
            for window in range(3):
                pen.block(x + 5 + window * 10, top + 5, x + 10 + window * 10, top + 12, "#4a5a68")
            x += width
    else:
        for _ in range(26):
            x, size = chance.uniform(0, WIDTH), chance.uniform(10, 22)
            shade = "#2f6b4a" if theme == "snow" else "#4f9447"
            pen.shape([(x - size / 2, horizon + 6), (x, horizon + 6 - size), (x + size / 2, horizon + 6)], shade)
    for _ in range(260):
        x, y = chance.uniform(0, WIDTH), chance.uniform(horizon + 8, HEIGHT)
        pen.oval(x, y, chance.uniform(1, 4), chance.uniform(0.5, 1.5), SHADES[theme])
