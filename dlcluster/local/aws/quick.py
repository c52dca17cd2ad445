"""Makes moto answer faster where it works out the same thing again for every request or every field.

What is replaced gives the same results: which operations a class has, under which names a field may stand in an object,
the tags of one resource, the image of an instance, EC2's answers, and XML out of dictionaries. These are private parts
of moto: another version than the one that they were compared with stays as it is, and is slower.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from dlcluster.local.aws import ec2_xml

COMPARED_WITH = "5.2.5"

log = logging.getLogger(__name__)


# What was replaced: where, its name, and moto's own.
replaced: list[tuple[Any, str, Any]] = []


@functools.cache
def quicken() -> None:
    """Once for the process, and for the version of moto that is known well enough."""
    import moto

    if moto.__version__ != COMPARED_WITH:
        log.warning(
            "moto %s is left as it is, and slow: what makes %s faster may not fit", moto.__version__, COMPARED_WITH
        )
        return
    for owner, name, faster in _replacements():
        replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, faster)


def _replacements() -> list[tuple[Any, str, Any]]:
    from moto import backends
    from moto.core import responses, serialize
    from moto.ec2.models.amis import AmiBackend
    from moto.ec2.models.core import TaggedEC2Resource

    modules = frozenset(backends.list_of_moto_modules())
    picker, ec2 = serialize.XFormedAttributePicker, serialize.EC2Serializer
    return [
        (backends, "list_of_moto_modules", lambda: modules),
        (responses, "method_names_from_class", functools.cache(responses.method_names_from_class)),
        (picker, "get_possible_keys", _remembered(picker.get_possible_keys)),
        (picker, "__call__", _pick),
        (ec2, "_serialize_body", lambda self, body: document(body)),
        (ec2, "_serialize_result", _ec2_answer(ec2._serialize_result)),
        (TaggedEC2Resource, "get_tags", _tags_of),
        (AmiBackend, "describe_images", _image_by_id(AmiBackend.describe_images)),
    ]


def _remembered(find: Any) -> Any:
    """The names of a field, looked up once for each class, structure and field."""
    known: dict[tuple[Any, ...], tuple[str, ...]] = {}

    def keys(self: Any, context: Any) -> Iterable[str]:
        shape = context.shape
        parent = getattr(shape, "parent", None)
        place = (
            context.service_model.service_name, type(context.obj), context.key, shape.name, shape.type_name,
            None if parent is None else parent.name, shape.serialization.get("name"),
        )  # fmt: skip
        if place not in known:
            known[place] = tuple(dict.fromkeys(find(self, context)))
        return known[place]

    return keys


def _pick(self: Any, context: Any) -> Any:
    """The value of a field: under the first of its names that the object has, and what a transformer makes of it."""
    from moto.core.serialize import MISSING, get_value

    value = None
    for key in self.get_possible_keys(context):
        found = get_value(context.obj, key, MISSING)
        if found is not MISSING:
            value = found
            break
    known = vars(self).setdefault("transformer_of", {})
    path = f"{context.key_path}.{context.key}"
    if path not in known:
        fits = (transform for end, transform in self.response_transformers.items() if path.endswith(end))
        known[path] = next(fits, None)
    return known[path](value) if known[path] else value


def _ec2_answer(serialize: Any) -> Any:
    """EC2's answers, written at once where their shape allows it."""

    def answer(self: Any, response: Any, result: Any) -> Any:
        if not ec2_xml.can_write(self.operation_model):
            return serialize(self, response, result)
        response["body"] = ec2_xml.body(self, result)
        response["headers"]["Content-Type"] = self.CONTENT_TYPE
        return response

    return answer


def _tags_of(self: Any) -> list[dict[str, str]]:
    """The tags of one resource, without a look at those of all others."""
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

    if not self.id:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    tags = dict(self.ec2_backend.tags.get(self.id, {}))
    return [{"resource_id": self.id, "key": key, "value": tags[key], "resource_type": kind} for key in tags]


def _image_by_id(describe: Any) -> Any:
    """An instance asks for its image by a filter: no need to compare it with 1,300 others."""

    def images(self: Any, ami_ids: Any = None, filters: Any = None, exec_users: Any = None, owners: Any = None) -> Any:
        wanted = (filters or {}).get("image-id")
        if isinstance(wanted, str) and len(filters) == 1 and not (ami_ids or exec_users or owners):
            return [self.amis[wanted]] if wanted in self.amis else []
        return describe(self, ami_ids=ami_ids, filters=filters, exec_users=exec_users, owners=owners)

    return images


def document(body: dict[str, Any]) -> str:
    """A dictionary as XML: lists repeat their element, keys with an @ are attributes."""
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n']
    for name, value in body.items():
        _write(parts, name, value)
    return "".join(parts)


def _write(parts: list[str], name: str, value: Any) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _write(parts, name, item)
    elif isinstance(value, dict):
        attributes = [f" {key[1:]}={quoteattr(str(item))}" for key, item in value.items() if key.startswith("@")]
        parts.append(f"<{name}{''.join(attributes)}>")
        for key, item in value.items():
            if key == "#text":
                parts.append(escape(str(item)))
            elif not key.startswith("@"):
                _write(parts, key, item)
        parts.append(f"</{name}>")
    elif value is None:
        parts.append(f"<{name}/>")
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(f"<{name}>{escape(text)}</{name}>")
