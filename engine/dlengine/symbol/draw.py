"""A graph as an SVG picture: layers from top to bottom, what follows a layer directly as strips of its box."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from dlengine.errors import EngineError
from dlengine.symbol.infer import walk
from dlengine.symbol.layout import Box, layout
from dlengine.symbol.node import Graph, Node, Ref
from dlengine.symbol.registry import OPERATORS
from dlengine.symbol.symbol import Symbol
from dlengine.symbol.writing import write

_COLOURS = {  # fill and frame
    "input": ("#eceff1", "#78909c"),
    "dense": ("#e3f2fd", "#1e88e5"),
    "convolution": ("#e8eaf6", "#5c6bc0"),
    "sequence": ("#e0f7fa", "#00acc1"),
    "pooling": ("#fff3e0", "#fb8c00"),
    "activation": ("#fce4ec", "#ec407a"),
    "normalization": ("#f1f8e9", "#7cb342"),
    "dropout": ("#f3e5f5", "#ab47bc"),
    "shape": ("#fffde7", "#c0a010"),
    "output": ("#ffebee", "#e53935"),
    "function": ("#f5f5f5", "#9e9e9e"),
}
_STRIPS = ("activation", "normalization", "dropout")
_LETTER, _SMALL = 8.2, 6.6  # widths of a letter
_HEAD, _STRIP, _SPACE, _GAP, _MARGIN = 40, 20, 34, 26, 20
_STYLE = (
    "text{font-family:Helvetica,Arial,Liberation Sans,DejaVu Sans,sans-serif;fill:#263238}"
    ".n{font-size:13px;font-weight:600}.d{font-size:11px}"
    ".s{font-size:10px;fill:#607d8b}"
)


@dataclass(eq=False)
class _Card(Box):
    """A box with the layer that it shows and the strips below it."""

    nodes: list[Node] = field(default_factory=list)
    shape: str = ""

    @property
    def height(self) -> float:
        return _HEAD + _STRIP * (len(self.nodes) - 1 + bool(self.shape))


def draw(symbol: Symbol, path: str | Path | None, shape: tuple[Any, ...], shapes: dict[str, Any]) -> str:
    """The picture as SVG text, written to `path` too if given; with output shapes where input shapes are given."""
    if path is not None and Path(path).suffix.lower() != ".svg":
        raise EngineError(f"{path}: the picture is SVG", "give a name that ends with .svg")
    graph = symbol.graph
    cards = _cards(graph)
    if shape or shapes or all("shape" in node.params for node in graph.variables):
        outputs = {laid.node: laid.outputs[0] for laid in walk(graph, shape, shapes)}
        for card in cards:
            card.shape = _sizes(getattr(outputs[card.nodes[-1]], "shape", ()))
    for card in cards:
        title, detail = graph.names[card.nodes[0]], _detail(card.nodes[0])
        strips = [len(text) * _SMALL for text in (*map(_detail, card.nodes[1:]), card.shape)]
        card.width = max(len(title) * _LETTER, len(detail) * _SMALL, *strips, 60) + 24
    edges = layout(cards, _GAP)
    text = _svg(graph, cards, edges)
    if path is not None:
        write(path, text)
    return text


def _cards(graph: Graph) -> list[_Card]:
    readers: dict[Node, int] = dict.fromkeys(graph.nodes, 0)
    for node in graph.nodes:
        for parent, _ in node.inputs:
            readers[parent] += 1
    for node, _ in graph.outputs:
        readers[node] += 1
    cards: dict[Node, _Card] = {}
    for node in graph.nodes:
        parents = [parent for parent, _ in node.inputs]
        if len(parents) == 1 and _family(node) in _STRIPS and readers[parents[0]] == 1 and parents[0].op != "Variable":
            cards[node] = cards[parents[0]]
            cards[node].nodes.append(node)
            continue
        above = list(dict.fromkeys(cards[parent] for parent in parents))
        cards[node] = _Card(0.0, parents=list(above), nodes=[node])
        for card in above:
            card.children.append(cards[node])
    return list(dict.fromkeys(cards.values()))


def _family(node: Node) -> str:
    if node.op == "Variable":
        return "input"
    return OPERATORS[node.op].family if node.op in OPERATORS else "function"


def _detail(node: Node) -> str:
    """Operator and its most telling parameters: Convolution 7x7 /2, 64."""
    p = node.params
    if node.op in ("Convolution", "Deconvolution") or (node.op == "Pooling" and not p["global_pool"]):
        kind = {"max": "Max pooling", "avg": "Mean pooling"}.get(p.get("pool_type", ""), node.op)
        stride = p["stride"] or (1,)
        step = f" /{stride[0]}" if set(stride) != {1} else ""
        filters = f", {p['num_filter']}" if "num_filter" in p else ""
        return f"{kind} {'×'.join(map(str, p['kernel']))}{step}{filters}"
    if node.op == "Pooling":
        return f"Global {'mean' if p['pool_type'] == 'avg' else p['pool_type']} pooling"
    shown = {
        "Variable": "Input",
        "FullyConnected": "Fully connected {num_hidden}",
        "Activation": "{act_type}",
        "Dropout": "Dropout {p}",
        "RNN": "{mode} {state_size} × {num_layers}",
        "Embedding": "Embedding {input_dim} → {output_dim}",
        "MultiHeadAttention": "Attention, {num_heads} heads",
        "Reshape": "Reshape {shape}",
        "Function": "Python {function}()",
        "Module": "{module}",
    }.get(node.op)
    if shown is None:
        constants = [str(arg) for arg in p.get("args", ()) if isinstance(arg, int | float | str)]
        return " ".join([node.op, *constants]) if any(isinstance(arg, Ref) for arg in p.get("args", ())) else node.op
    return shown.format(**p)


def _sizes(shape: Any) -> str:
    return " × ".join(map(str, shape))


def _svg(graph: Graph, cards: list[_Card], edges: list[tuple[Box, Box, list[Box]]]) -> str:
    rows = 1 + max(card.row for card in cards)
    tall = [max((card.height for card in cards if card.row == row), default=0.0) for row in range(rows)]
    tops = [_MARGIN + sum(tall[:row]) + _SPACE * row for row in range(rows)]
    width = max(card.x + card.width / 2 for card in cards) + 2 * _MARGIN
    height = tops[-1] + tall[-1] + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#90a4ae"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
    ]
    parts += [_edge(parent, child, bends, tops, tall) for parent, child, bends in edges]
    parts += [_card(graph, card, tops[card.row]) for card in cards]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _edge(parent: Box, child: Box, bends: list[Box], tops: list[float], tall: list[float]) -> str:
    """A curve from the bottom of one box, down through its bends, to the top of another."""
    assert isinstance(parent, _Card)
    x, y = parent.x + _MARGIN, tops[parent.row] + parent.height
    path = f"M{x:.1f} {y:.1f}"
    for box in [*bends, child]:
        to, top = box.x + _MARGIN, tops[box.row] - (1 if box is child else 0)
        straight = tops[box.row - 1] + tall[box.row - 1]
        path += f"L{x:.1f} {straight:.1f}" if straight > y else ""
        middle = (straight + top) / 2
        path += f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {top:.1f}"
        x, y = to, top
        if box is not child:
            y = top + tall[box.row]
            path += f"L{x:.1f} {y:.1f}"
    return f'<path d="{path}" fill="none" stroke="#90a4ae" stroke-width="1.3" marker-end="url(#a)"/>'


def _card(graph: Graph, card: _Card, top: float) -> str:
    x, middle = card.x - card.width / 2 + _MARGIN, card.x + _MARGIN
    fill, frame = _COLOURS[_family(card.nodes[0])]
    box = f'<rect x="{x:.1f}" y="{top:.1f}" width="{card.width:.1f}" height="{{}}" rx="7" fill="{{}}" stroke="{{}}"/>'
    parts = [f"<g><title>{escape(_tooltip(graph, card))}</title>"]
    strips = [("d", _detail(node), *_COLOURS[_family(node)]) for node in card.nodes[1:]]
    if card.shape:
        strips.append(("s", card.shape, "#ffffff", frame))
    for number in range(len(strips), 0, -1):  # from the lowest up, each under the one before
        style, text, colour, line = strips[number - 1]
        parts.append(box.format(_HEAD + _STRIP * number, colour, line))
        y = top + _HEAD + _STRIP * number - 6
        parts.append(f'<text class="{style}" x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>')
    parts.append(box.format(_HEAD, fill, frame))
    for style, y, text in (("n", 17, graph.names[card.nodes[0]]), ("d", 32, _detail(card.nodes[0]))):
        parts.append(
            f'<text class="{style}" x="{middle:.1f}" y="{top + y:.1f}" text-anchor="middle">{escape(text)}</text>'
        )
    return "".join([*parts, "</g>"])


def _tooltip(graph: Graph, card: _Card) -> str:
    lines = []
    for node in card.nodes:
        shown = ", ".join(f"{key}={value}" for key, value in node.params.items() if key not in ("args", "kwargs"))
        lines.append(f"{graph.names[node]}: {node.op}({shown})")
    return "\n".join(lines)
