"""What AWS's provider schemas say about a resource type (baked into schemas.json by scripts/bake_schemas.py)."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Schema:
    """One type: `tree` is {"p": {name: tree}, "r": [required]}, {"i": tree} for a list, or None for anything."""

    tree: dict[str, Any]
    create_only: frozenset[str]
    conditional: frozenset[str]
    read_only: frozenset[str]
    attributes: frozenset[str]
    taggable: bool
    system_tags: bool
    tag_updatable: bool

    def problems(self, properties: Any) -> list[str]:
        """What is wrong with a property tree, in AWS's words; empty when nothing is."""
        return list(_problems(properties, self.tree, "#"))

    def recreation(self, name: str) -> str:
        """What a change of a top-level property does: Never, Conditionally or Always recreate the resource."""
        if name in self.create_only:
            return "Always"
        return "Conditionally" if name in self.conditional else "Never"


class _Schemas:
    @functools.cached_property
    def _data(self) -> dict[str, Any]:
        return json.loads((Path(__file__).parent / "schemas.json").read_text())

    def __contains__(self, kind: str) -> bool:
        return kind in self._data["types"]

    @functools.cache  # noqa: B019 (one instance per process)
    def __getitem__(self, kind: str) -> Schema:
        item = self._data["types"][kind]
        return Schema(
            item["tree"],
            frozenset(item["createOnly"]),
            frozenset(item["conditional"]),
            frozenset(item["readOnly"]),
            frozenset(item["attributes"]),
            item["taggable"],
            item["systemTags"],
            item["tagUpdatable"],
        )

    def exists(self, kind: str) -> bool:
        """Whether AWS knows the type (then it is merely absent here)."""
        return kind in self._data["known"] or kind.startswith("Custom::")

    def has_attribute(self, kind: str, name: str) -> bool:
        """Whether Fn::GetAtt can ask this of the type; of a type that is absent here everything."""
        if kind not in self:
            return True
        known = self[kind].attributes
        return name in known or any("\\" in item and re.fullmatch(item, name) for item in known)


SCHEMAS = _Schemas()


def _problems(value: Any, tree: dict[str, Any] | None, path: str) -> Any:
    if tree is None:
        return
    if "i" in tree:
        if not isinstance(value, list):
            yield f"{path}: expected type: JSONArray, found: {_kind(value)}"
            return
        for index, item in enumerate(value):
            yield from _problems(item, tree["i"], f"{path}/{index}")
    elif "p" in tree:
        if not isinstance(value, dict):
            yield f"{path}: expected type: JSONObject, found: {_kind(value)}"
            return
        for name in tree.get("r", ()):
            if name not in value:
                yield f"{path}: required key [{name}] not found"
        for name, item in value.items():
            if name not in tree["p"]:
                yield f"{path}: extraneous key [{name}] is not permitted"
            else:
                yield from _problems(item, tree["p"][name], f"{path}/{name}")


def _kind(value: Any) -> str:
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Double", list: "JSONArray", dict: "JSONObject"}
    return names.get(type(value), "Null")
