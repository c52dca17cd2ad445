"""The summary table and the drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import torch
from dlengine import models
from dlengine import symbol as sym
from dlengine.symbol.layout import Box, layout
from hypothesis import given, settings
from hypothesis import strategies as st

SVG = "{http://www.w3.org/2000/svg}"


def lenet() -> sym.Symbol:
    return sym.trace(models.lenet())


def test_the_summary_counts_parameters_work_and_memory():
    summary = lenet().summary((2, 1, 28, 28))
    rows = {row.name: row for row in summary.rows}
    assert summary.parameters == 431_080
    assert summary.weights_memory == 4 * 431_080
    assert rows["conv1"].output == (2, 20, 24, 24)
    assert rows["conv1"].parameters == 20 * 25 + 20
    assert rows["conv1"].multiply_adds == 2 * 20 * 24 * 24 * 25
    assert rows["fc1"].multiply_adds == 2 * 800 * 500
    assert rows["tanh1"].multiply_adds == 0
    assert rows["conv1"].memory == 4 * 2 * 20 * 24 * 24
    assert rows["conv2"].inputs == ("pool1",)
    assert summary.flops == 2 * summary.multiply_adds == 2 * sum(row.multiply_adds for row in summary.rows)
    assert summary.memory == sum(row.memory for row in summary.rows)


def test_the_summary_prints_a_table_with_a_line_of_sums():
    lines = str(lenet().summary((1, 1, 28, 28))).splitlines()
    assert lines[0].split() == ["layer", "operator", "input", "from", "output", "parameters", "multiply-adds", "memory"]
    assert " ".join(lines[3].split()) == "conv1 Convolution input 1 x 20 x 24 x 24 520 288,000 45.0 KiB"
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[-1] == "431,080 parameters (1.6 MiB), 2.293 M multiply-adds (4.586 MFLOP), 139.5 KiB of outputs"


def test_the_summary_counts_recurrence_and_attention():
    data = sym.Variable("data")
    steps, size, inputs = 7, 5, 3
    lstm = sym.LSTM(data, state_size=size).summary((2, steps, inputs))
    assert lstm.multiply_adds == 2 * steps * 4 * size * (inputs + size)
    attention = sym.MultiHeadAttention(data, num_heads=2).summary((2, 6, 4))
    assert attention.multiply_adds == 2 * (4 * 6 * 4 * 4 + 2 * 6 * 6 * 4)


def test_the_drawing_shows_every_layer_once_with_shapes(tmp_path):
    text = lenet().draw(tmp_path / "lenet.svg", (1, 1, 28, 28))
    assert (tmp_path / "lenet.svg").read_text() == text
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter(f"{SVG}text")]
    for name in ("conv1", "pool1", "fc1", "fc2", "Convolution 5×5, 20", "Max pooling 2×2 /2", "tanh"):
        assert name in words
    assert words.count("tanh") == 3
    assert "1 × 20 × 24 × 24" in words
    paths = [element.get("d") for element in root.iter(f"{SVG}path") if element.get("marker-end")]
    assert len(paths) == 7  # input, conv1, pool1, conv2, pool2, flatten, fc1, fc2


def test_names_cannot_break_out_of_the_drawing():
    @sym.node
    def f(x):
        return x

    f.__wrapped__.__name__ = "<script>"
    text = f(sym.Variable("data")).draw()
    assert "<script>" not in text
    ElementTree.fromstring(text)


def test_branches_lie_side_by_side_and_everything_is_inside_the_picture():
    h = sym.Variable("data", shape=(1, 4, 8, 8))
    branches = [sym.Convolution(h, num_filter=2, kernel=1, name=f"b{number}") for number in range(4)]
    text = sym.Concat(*branches, name="cat").draw()
    boxes = {}
    for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
        name = next(words.text for words in group.iter(f"{SVG}text") if words.get("class") == "n")
        boxes[name] = group.find(f"{SVG}rect").attrib
    tops = {boxes[f"b{number}"]["y"] for number in range(4)}
    assert len(tops) == 1
    assert float(boxes["data"]["y"]) < float(tops.pop()) < float(boxes["cat"]["y"])
    width, height = map(float, re.search(r'width="(\d+)" height="(\d+)"', text).groups())
    for box in boxes.values():
        assert float(box["x"]) >= 0
        assert float(box["x"]) + float(box["width"]) <= width
        assert float(box["y"]) + float(box["height"]) <= height


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_boxes_overlap_and_edges_go_down(data):
    boxes: list[Box] = []
    for number in range(data.draw(st.integers(1, 14))):
        parents = data.draw(st.lists(st.sampled_from(boxes), unique=True, max_size=3)) if boxes else []
        boxes.append(Box(width=data.draw(st.integers(10, 90)), parents=parents))
        for parent in parents:
            parent.children.append(boxes[number])
    edges = layout(boxes, gap=5)
    for parent, child, bends in edges:
        rows = [parent.row, *[bend.row for bend in bends], child.row]
        assert rows == list(range(parent.row, child.row + 1))
    every = [*boxes, *[bend for _, _, bends in edges for bend in bends]]
    assert min(box.x - box.width / 2 for box in every) >= -1e-6
    for row in {box.row for box in every}:
        line = sorted((box for box in every if box.row == row), key=lambda box: box.x)
        for left, right in pairwise(line):
            assert right.x - right.width / 2 - (left.x + left.width / 2) >= 5 - 1e-6


def test_a_graph_of_python_and_arithmetic_can_be_drawn_and_summarised():
    a, b = sym.Variable("a"), sym.Variable("b")
    graph = torch.exp(a + 2 * b)
    assert "exp" in graph.draw(None, (1, 2), (1, 2))
    assert graph.summary((1, 2), (1, 2)).multiply_adds == 0
