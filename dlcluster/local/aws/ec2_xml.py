"""moto's objects written as EC2's XML at once: the same answers as moto's serializer gives, several times faster.

That one asks every object for every member of its shape, under every name that it may have: a million times for a
thousand instances. Here this is worked out once for all objects of a class that have the same attributes.
"""

from __future__ import annotations

import base64
import functools
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

Parts = list[str]
Write = Callable[[Parts, Any, Any], None]  # parts, value, moto's serializer

_ODD = {"xmlNamespace", "xmlAttribute", "payload", "location"}


@functools.cache
def can_write(operation: Any) -> bool:
    """Whether an operation's output has nothing but structures, lists and plain values (moto's OperationModel)."""
    return _can_write(operation.output_shape, set())


def _can_write(shape: Any, seen: set[str]) -> bool:
    if shape is None or shape.name in seen:
        return True
    seen.add(shape.name)
    if _ODD & set(shape.serialization):
        return False
    if shape.type_name == "list":
        return not shape.is_flattened and _can_write(shape.member, seen)
    if shape.type_name == "structure":
        names = {_name(member, key) for key, member in shape.members.items()}
        return len(names) == len(shape.members) and all(_can_write(item, seen) for item in shape.members.values())
    return shape.type_name in _SCALARS


def body(serializer: Any, result: Any) -> str:
    """The answer's XML. serializer: moto's, for an operation that `can_write` says yes to."""
    operation = serializer.operation_model
    name = f"{operation.name}Response"
    namespace = operation.metadata.get("xmlNamespace")
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n', f'<{name} xmlns="{namespace}">' if namespace else f"<{name}>"]
    if operation.output_shape is not None and result is not None:
        transformers = tuple(serializer._value_picker.response_transformers)
        _root(operation, transformers).write(parts, result, serializer)
    parts.append(f"<requestId>{serializer.context.request_id}</requestId></{name}>")
    return "".join(parts)


@functools.cache
def _root(operation: Any, _transformers: tuple[str, ...]) -> Structure:
    """What is known of an operation's output; it holds as long as the same paths have a transformer."""
    return Structure(operation.output_shape, f"{operation.name}.{operation.output_shape.name}")


class Field(NamedTuple):
    """A member of a structure as it is found in objects of one kind. transformer: moto's name of it, or None."""

    keys: tuple[str, ...]
    transformer: str | None
    opening: str
    closing: str
    write: Write


class Structure:
    """A structure at one place of an answer."""

    def __init__(self, shape: Any, path: str) -> None:
        self._shape = shape
        self._path = path
        self._known: dict[Any, tuple[Callable[..., Any], list[Field]]] = {}

    def write(self, parts: Parts, value: Any, serializer: Any) -> None:
        kind = type(value)
        place = kind, tuple(value if kind in _DICTS else getattr(value, "__dict__", ()))
        if place not in self._known:
            self._known[place] = self._plan(value, serializer)
        read, fields = self._known[place]
        for keys, transformer, opening, closing, write in fields:
            found = None
            for key in keys:
                found = read(value, key, _MISSING)
                if found is not _MISSING:
                    break
            else:
                found = None
            if transformer is not None:
                found = serializer._value_picker.response_transformers[transformer](found)
            if found is not None:
                parts.append(opening)
                write(parts, found, serializer)
                parts.append(closing)

    def _plan(self, value: Any, serializer: Any) -> tuple[Callable[..., Any], list[Field]]:
        """How to read objects like this one, and which members they may have."""
        from moto.core.serialize import get_value

        kind, fields = type(value), []
        read = get_value if hasattr(kind, "__getitem__") else getattr
        read = dict.get if kind in _DICTS else read
        for name, shape in self._shape.members.items():
            keys = tuple(key for key in self._names(value, name, shape, serializer) if _may_have(value, key))
            path = f"{self._path}.{name}"
            ends = (end for end in serializer._value_picker.response_transformers if path.endswith(end))
            transformer = next(ends, None)
            if any("." in key for key in keys):
                read = get_value
            if keys or transformer is not None:
                tag = _name(shape, name)
                fields.append(Field(keys, transformer, f"<{tag}>", f"</{tag}>", _writer(shape, path)))
        return read, fields

    def _names(self, value: Any, name: str, shape: Any, serializer: Any) -> list[str]:
        """The names under which moto looks for a member."""
        from moto.core.serialize import AttributePickerContext

        shape.parent = self._shape
        operation = serializer.operation_model
        context = AttributePickerContext(value, name, shape, operation, operation.service_model, self._path)
        return list(dict.fromkeys(serializer._value_picker.get_possible_keys(context)))


class List:
    """A list at one place of an answer. Structures in it that have nothing to tell are left out."""

    def __init__(self, shape: Any, path: str) -> None:
        tag = _name(shape.member, "member")
        self._opening, self._closing = f"<{tag}>", f"</{tag}>"
        self._structures = shape.member.type_name == "structure"
        self._write = _writer(shape.member, f"{path}.{shape.member.name}")

    def write(self, parts: Parts, value: Any, serializer: Any) -> None:
        for item in value:
            if self._structures and item is None:
                continue
            parts.append(self._opening)
            before = len(parts)
            self._write(parts, item, serializer)
            if self._structures and len(parts) == before:
                parts.pop()
            else:
                parts.append(self._closing)


def _writer(shape: Any, path: str) -> Write:
    if shape.type_name == "structure":
        return Structure(shape, path).write
    if shape.type_name == "list":
        return List(shape, path).write
    if shape.type_name == "timestamp":
        return functools.partial(_timestamp, shape)
    return _SCALARS[shape.type_name]


def _may_have(value: Any, key: str) -> bool:
    """Whether objects of the same class and attributes, or dictionaries with the same keys, may have a key."""
    kind = type(value)
    if kind in _DICTS:
        return key in value
    if "." in key or hasattr(kind, "__getitem__") or hasattr(kind, "__getattr__"):
        return True
    return key in getattr(value, "__dict__", ()) or hasattr(kind, key)


def _name(shape: Any, default: str) -> str:
    return str(shape.serialization.get("name", default))


def _text(parts: Parts, value: Any, _: Any) -> None:
    parts.append(escape(str(value)))


def _boolean(parts: Parts, value: Any, _: Any) -> None:
    parts.append("true" if value is True or str(value).lower() == "true" else "false")


def _integer(parts: Parts, value: Any, _: Any) -> None:
    parts.append(str(int(value)))


def _float(parts: Parts, value: Any, _: Any) -> None:
    parts.append(str(float(value)))


def _blob(parts: Parts, value: Any, _: Any) -> None:
    parts.append(base64.b64encode(value.encode() if isinstance(value, str) else value).decode())


def _timestamp(shape: Any, parts: Parts, value: Any, serializer: Any) -> None:
    known = serializer._timestamp_serializer
    form = shape.serialization.get("timestampFormat", known.default_format)
    zone = value.tzinfo if isinstance(value, datetime) else None
    parts.append(_moment(value, zone, form))


@functools.lru_cache(4096)
def _moment(value: Any, _zone: Any, form: str) -> str:
    """Instances of one launch share their times; equal times of two zones are written differently."""
    from moto.core.serialize import TimestampSerializer

    return escape(str(TimestampSerializer(form)._convert_timestamp_to_str(value, form)))


_MISSING = object()
_DICTS = (dict, OrderedDict)
_SCALARS: dict[str, Write] = {
    "string": _text,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "blob": _blob,
    "timestamp": _text,  # with its shape: `_timestamp`
}
