"""Graphs as JSON: a list of operations by name, so that nothing in a file is code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError, unknown
from dlengine.symbol.functions import ATTRIBUTES, FUNCTIONS
from dlengine.symbol.names import output_count
from dlengine.symbol.node import Graph, Node, Ref
from dlengine.symbol.registry import OPERATORS, make
from dlengine.symbol.symbol import Symbol, Variable

FORMAT, VERSION = "dlengine.symbol", 1
_OTHERS = ("Variable", "Parameter", "Function", "Module")


def to_json(graph: Graph) -> str:
    """The graph as text: every operation with its name, inputs and parameters, but no weights."""
    place = {node: number for number, node in enumerate(graph.nodes)}
    nodes = [
        {"op": node.op, "name": graph.names[node]}
        | ({"layer": node.layer} if node.layer else {})
        | ({"inputs": [[place[parent], index] for parent, index in node.inputs]} if node.inputs else {})
        | ({"params": params} if (params := _encode_params(graph, node)) else {})
        for node in graph.nodes
    ]
    outputs = [[place[node], index] for node, index in graph.outputs]
    head = f'"format": "{FORMAT}",\n"version": {VERSION},\n"outputs": {json.dumps(outputs)},\n'
    return "{" + head + '"nodes": [\n' + ",\n".join(json.dumps(node) for node in nodes) + "\n]}"


def from_json(text: str, python: Mapping[str, Any] | None = None, *, where: str = "the text") -> Symbol:
    """The symbol that `Symbol.to_json` wrote.

    python: the functions and modules that nodes made from Python code need, by the name of the function or of the node.
    Raises EngineError for text that is damaged, of a newer version, or names operations that do not exist.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(
            f"{where} is no JSON: {error}", "it is damaged, or not a file that Symbol.save wrote"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EngineError(f"{where} holds no graph", f'it should begin with "format": "{FORMAT}"')
    if content.get("version") != VERSION:
        raise EngineError(
            f"{where} has version {content.get('version')!r} of the format, and this dlengine reads {VERSION}",
            "load it with the dlengine that wrote it, or a newer one",
        )
    made: list[Node] = []
    for number, item in enumerate(_list(content.get("nodes"), f"{where}: nodes")):
        made.append(_read(item, made, python or {}, f"{where}, node {number}"))
    outputs = tuple(
        _entry(pair, made, f"{where}: outputs") for pair in _list(content.get("outputs"), f"{where}: outputs")
    )
    if not outputs:
        raise EngineError(f"{where} names no outputs", "it is damaged")
    symbol = Symbol(outputs)
    _ = symbol.graph  # names must be different
    return symbol


def load(path: str | Path, python: Mapping[str, Any] | None = None) -> Symbol:
    """The symbol in a file that `Symbol.save` wrote; see `from_json`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise EngineError(f"{path} is no text", "give a file that Symbol.save wrote") from None
    return from_json(text, python, where=str(path))


def _read(item: Any, made: list[Node], python: Mapping[str, Any], where: str) -> Node:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise EngineError(f"{where} has no name", "it is damaged")
    where = f"{where} ('{item['name']}')"
    extra = item.keys() - {"op", "name", "layer", "inputs", "params"}
    if extra:
        raise EngineError(f"{where} has an unknown entry '{min(extra)}'", "it is damaged")
    op, name, layer = item.get("op"), item["name"], item.get("layer")
    inputs = tuple(_entry(pair, made, where) for pair in _list(item.get("inputs", []), where))
    params = item.get("params", {})
    if not isinstance(params, dict):
        raise EngineError(f"{where}: its params are no object", "it is damaged")
    try:
        if not isinstance(op, str):
            op = repr(op)
        if op in OPERATORS:
            symbols = tuple(Symbol((entry,)) for entry in inputs)
            return make(op, symbols, params, name=name, layer=layer)._entries[0][0]
        if op == "Variable":
            return Variable(name, **params).entry[0]
        if op in FUNCTIONS or op in ("Function", "Module"):
            decoded = {key: _decode(value, len(inputs)) for key, value in params.items()}
            return _checked(Node(op, inputs, decoded, name, layer, _held(op, name, decoded, python)))
    except EngineError as error:
        raise EngineError(f"{where}: {error.what}", error.hint) from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise EngineError(f"{where}: its params make no sense ({error})", "it is damaged") from None
    missing = unknown("operation", op, [*OPERATORS, *FUNCTIONS, *_OTHERS])
    raise EngineError(f"{where}: {missing.what}", f"{missing.hint} Is the file of a newer dlengine?")


def _checked(node: Node) -> Node:
    args, kwargs = node.params["args"], node.params["kwargs"]
    if not isinstance(args, tuple) or not isinstance(kwargs, dict):
        raise ValueError("args or kwargs")
    if node.op == "getattr" and (len(args) != 2 or not isinstance(args[0], Ref) or args[1] not in ATTRIBUTES):
        raise ValueError("a tensor has shape, dtype, device, ndim, T and mT")
    return node


def _held(op: str, name: str, params: dict[str, Any], python: Mapping[str, Any]) -> Any:
    if op not in ("Function", "Module"):
        return None
    key = params["function"] if op == "Function" else name
    if key not in python:
        kind = f"the Python function '{key}'" if op == "Function" else f"the torch module '{params['module']}'"
        raise EngineError(
            f"it runs {kind}, which a file cannot hold",
            f"load(path, python={{'{key}': ...}}) with the function or module",
        )
    value = python[key]
    if isinstance(value, nn.Module) if op == "Module" else callable(value):
        return value if op == "Module" else (value, None)
    raise EngineError(f"python['{key}'] is a {type(value).__name__}", "give the function or module that it stands for")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise EngineError(f"{where} is no list", "it is damaged")
    return value


def _entry(pair: Any, made: list[Node], where: str) -> tuple[Node, int]:
    right = isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair)
    if not right or not 0 <= pair[0] < len(made) or not 0 <= pair[1] < output_count(made[pair[0]]):
        raise EngineError(f"{where}: {pair!r} is no output of an earlier node", "it is damaged")
    return made[pair[0]], pair[1]


def _encode_params(graph: Graph, node: Node) -> dict[str, Any]:
    if node.op == "Parameter":
        raise EngineError(
            f"{graph.describe(node)} is a weight that belongs to no layer, and files hold no weights",
            "make it part of a module and use that with symbol.Module",
        )
    if node.op in OPERATORS or node.op == "Variable":
        return {key: list(value) if isinstance(value, tuple) else value for key, value in node.params.items()}
    try:
        return {key: _encode(value) for key, value in node.params.items()}
    except TypeError as error:
        raise EngineError(
            f"{graph.describe(node)} holds a {error}, which a file cannot", "use numbers and texts"
        ) from None


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list):
        return [_encode(part) for part in value]
    for kind, name, parts in _SPECIAL:
        if isinstance(value, kind):
            return {name: parts(value)}
    if value is Ellipsis:
        return {"ellipsis": True}
    raise TypeError(type(value).__name__)


_SPECIAL: list[tuple[Any, str, Any]] = [
    (Ref, "input", lambda value: value.index),
    (tuple, "tuple", lambda value: [_encode(part) for part in value]),
    (dict, "dict", lambda value: {str(key): _encode(part) for key, part in value.items()}),
    (slice, "slice", lambda value: [_encode(part) for part in (value.start, value.stop, value.step)]),
    (torch.dtype, "dtype", lambda value: str(value).removeprefix("torch.")),
    (torch.device, "device", str),
    (float, "float", str),
]


def _decode(value: Any, inputs: int) -> Any:
    if isinstance(value, list):
        return [_decode(part, inputs) for part in value]
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "input":
        if type(content) is not int or not 0 <= content < inputs:
            raise ValueError(f"input {content!r}")
        return Ref(content)
    if name == "tuple":
        return tuple(_decode(part, inputs) for part in content)
    if name == "dict":
        return {key: _decode(part, inputs) for key, part in content.items()}
    if name == "slice":
        return slice(*[_decode(part, inputs) for part in content])
    if name == "dtype":
        dtype = getattr(torch, content)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"dtype {content!r}")
        return dtype
    if name == "device":
        return torch.device(content)
    if name == "float":
        return float(content)
    if name == "ellipsis":
        return Ellipsis
    raise ValueError(f"{name!r}")
