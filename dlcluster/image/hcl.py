"""HCL2, the little of it that a Packer template needs, laid out as `packer fmt` does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Value = Any


@dataclass(frozen=True)
class Raw:
    """An expression that is written as it is."""

    text: str


@dataclass(frozen=True)
class Block:
    """`kind "label" { body }`; the body holds (name, value) pairs and blocks, in order."""

    kind: str
    labels: tuple[str, ...]
    body: tuple[tuple[str, Value] | Block, ...]


def block(kind: str, *labels: str, **fields: Value) -> Block:
    """A block of nothing but arguments."""
    return Block(kind, labels, tuple(fields.items()))


def render(blocks: list[Block]) -> str:
    """The text of a file."""
    return "\n".join("\n".join(_block(item)) + "\n" for item in blocks)


def _block(item: Block) -> list[str]:
    labels = "".join(f' "{label}"' for label in item.labels)
    return [f"{item.kind}{labels} {{", *(f"  {line}" for line in _body(item.body)), "}"]


def _body(body: tuple[Any, ...]) -> list[str]:
    lines: list[str] = []
    run: list[tuple[str, Value]] = []
    for part in (*body, None):
        if isinstance(part, tuple) and not isinstance(part[1], dict):
            run.append(part)
            continue
        lines += _aligned(run)
        run = []
        if isinstance(part, tuple):
            lines += [f"{part[0]} = {{", *(f"  {line}" for line in _aligned(_quoted(part[1]))), "}"]
        elif part is not None:
            lines += _block(part)
    return lines


def _quoted(value: dict[str, Value]) -> list[tuple[str, Value]]:
    return [(json.dumps(key, ensure_ascii=False), item) for key, item in value.items()]


def _aligned(fields: list[tuple[str, Value]]) -> list[str]:
    width = max((len(name) for name, _ in fields), default=0)
    return [f"{name:<{width}} = {_value(value)}" for name, value in fields]


def _value(value: Value) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("${", "$${").replace("%{", "%%{") if isinstance(value, str) else text
