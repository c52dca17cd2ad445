"""Bake dlcluster/local/aws/cloudformation/schemas.json from the provider schemas that cfn-lint ships.

Run it after adding a resource type: `.venv/bin/python scripts/bake_schemas.py` (with `--check`: only compare).
The types are those of dlcluster.local.aws.cloudformation.types.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from dlcluster.local.aws.cloudformation.types import KINDS

REGION = "us-east-1"
TARGET = Path(__file__).parent.parent / "dlcluster/local/aws/cloudformation/schemas.json"


def tree(node: dict[str, Any], root: dict[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """The allowed names below a schema node; None where anything goes (also a scalar, a free map, recursion)."""
    reference = node.get("$ref")
    if reference:
        if reference in above:
            return None
        target = root
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        return tree(target, root, (*above, reference))
    if isinstance(node.get("type"), list) and "string" in node["type"]:
        return None
    properties = dict(node.get("properties", {}))
    for choice in ("oneOf", "anyOf", "allOf"):
        for option in node.get(choice, []):
            properties.update(option.get("properties", {}))
    if "items" in node:
        return {"i": tree(node["items"], root, above)}
    if not properties or node.get("patternProperties"):
        return None
    allowed = {name: tree(item, root, above) for name, item in sorted(properties.items())}
    return {"p": allowed, "r": sorted(node.get("required", []))} if node.get("required") else {"p": allowed}


def names(schema: dict[str, Any], key: str) -> list[str]:
    """Top-level property names of a list of JSON pointers; nested pointers count for createOnly only whole."""
    pointers = [pointer.split("/")[2:] for pointer in schema.get(key, [])]
    return sorted({parts[0] for parts in pointers if len(parts) == 1})


def bake(kind: str) -> dict[str, Any]:
    """What the service needs to know of one type."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    read_only = names(schema, "readOnlyProperties")
    allowed = tree(schema, schema) or {"p": {}}
    allowed["p"] = {name: item for name, item in allowed["p"].items() if name not in read_only}
    tagging = schema.get("tagging")
    if tagging is None and "Tags" in schema["properties"]:  # a schema of the old kind (FSx) is silent on tags
        tagging = {"taggable": True, "cloudFormationSystemTags": True, "tagUpdatable": True}
    tagging = tagging or {}
    return {
        "tree": allowed,
        "createOnly": names(schema, "createOnlyProperties"),
        "conditional": names(schema, "conditionalCreateOnlyProperties"),
        "readOnly": read_only,
        "attributes": sorted(PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).get_atts),
        "taggable": bool(tagging.get("taggable")),
        "systemTags": bool(tagging.get("cloudFormationSystemTags")),
        "tagUpdatable": bool(tagging.get("tagUpdatable")),
    }


def main() -> int:
    """Write the file, or compare it with what would be written."""
    known = sorted(PROVIDER_SCHEMA_MANAGER.get_resource_types(REGION))
    data = {"types": {kind: bake(kind) for kind in sorted(KINDS)}, "known": known}
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    if "--check" in sys.argv:
        return int(TARGET.read_text() != text)
    TARGET.write_text(text)
    print(f"{TARGET.name}: {len(data['types'])} types, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
