"""Where the boxes of a drawing go: layers from top to bottom with few crossings (after Sugiyama 1981)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 12


@dataclass(eq=False)
class Box:
    """A rectangle with the boxes above it. `layout` sets row and the middle's x; `width` is given."""

    width: float
    parents: list[Box] = field(default_factory=list)
    children: list[Box] = field(default_factory=list)
    row: int = 0
    x: float = 0.0


def layout(boxes: Sequence[Box], gap: float) -> list[tuple[Box, Box, list[Box]]]:
    """Place boxes, given in an order in which parents come first; every edge with the bends that it takes.

    A bend is a box of no width in each row that the edge crosses. x begins at 0.
    """
    for box in boxes:
        box.row = max((parent.row + 1 for parent in box.parents), default=0)
    for box in reversed(boxes):  # inputs stand right above what reads them
        if not box.parents and box.children:
            box.row = min(child.row for child in box.children) - 1
    rows: list[list[Box]] = [[] for _ in range(1 + max(box.row for box in boxes))]
    for box in boxes:
        rows[box.row].append(box)
    edges = [(parent, box, _bends(parent, box, rows)) for box in boxes for parent in box.parents]
    above: dict[Box, list[Box]] = {}
    below: dict[Box, list[Box]] = {}
    for parent, child, bends in edges:
        path = [parent, *bends, child]
        for upper, lower in pairwise(path):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    for row in rows:
        _spread(row, gap)
    for sweep in range(SWEEPS):
        order, near = (rows, above) if sweep % 2 == 0 else (rows[::-1], below)
        for row in order:
            row.sort(key=lambda box: _mean(near.get(box, []), box.x))
            _settle(row, [_mean(near.get(box, []), box.x) for box in row], gap)
    for row in [*rows, *rows[::-1]]:
        _settle(row, [_mean(above.get(box, []) + below.get(box, []), box.x) for box in row], gap)
    left = min(box.x - box.width / 2 for row in rows for box in row)
    for row in rows:
        for box in row:
            box.x -= left
    return edges


def _bends(parent: Box, child: Box, rows: list[list[Box]]) -> list[Box]:
    bends = [Box(width=0.0, row=row) for row in range(parent.row + 1, child.row)]
    for bend in bends:
        rows[bend.row].append(bend)
    return bends


def _mean(boxes: Sequence[Box], otherwise: float) -> float:
    return sum(box.x for box in boxes) / len(boxes) if boxes else otherwise


def _spread(row: list[Box], gap: float) -> None:
    """Side by side around 0."""
    x = -(sum(box.width for box in row) + gap * (len(row) - 1)) / 2
    for box in row:
        box.x = x + box.width / 2
        x += box.width + gap


def _settle(row: list[Box], wanted: Sequence[float], gap: float) -> None:
    """The places nearest to the wanted ones (least squares) that keep the order and do not overlap.

    By pooling adjacent violators: boxes that would overlap form a block, which goes to the mean of their wishes.
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + gap)
    blocks: list[list[float]] = []  # sum of wishes, number of boxes
    for wish, offset in zip(wanted, offsets, strict=True):
        blocks.append([wish - offset, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    starts = [total / count for total, count in blocks for _ in range(int(count))]
    for box, start, offset in zip(row, starts, offsets, strict=True):
        box.x = start + offset
