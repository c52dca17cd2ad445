"""The documents name what there is: keys, rules, images, resources."""

from __future__ import annotations

import re
from pathlib import Path

from dlcluster import catalog, checks
from dlcluster.config import json_schema, parse_cluster
from dlcluster.stack import build_template

DOCS = Path(__file__).parents[3] / "docs"


def _first_cells(text: str) -> list[str]:
    return [name for line in re.findall(r"(?m)^\| (`[^|]+) \|", text) for name in re.findall(r"`([^`]+)`", line)]


def test_the_cluster_file_document_lists_every_key_rule_and_image():
    schema = json_schema()
    models = {"head": "Head", "workers": "Workers", "network": "Network", "bucket": "Bucket"}
    keys = [key for key in schema["properties"] if key not in models]
    keys += [f"{part}.{key}" for part, model in models.items() for key in schema["$defs"][model]["properties"]]
    listed = _first_cells((DOCS / "cluster-file.md").read_text())
    assert sorted(listed) == sorted([*keys, *checks.RULES, *catalog.images(), "recipe:NAME", "ami-...", "ssm:/path"])


def test_the_rules_are_documented_with_their_level():
    text = (DOCS / "cluster-file.md").read_text()
    for rule, (level, _) in checks.RULES.items():
        assert f"| `{rule}` | {level} |" in text


def test_the_template_document_names_only_resources_that_exist():
    template = build_template(parse_cluster("workers: {type: p5.48xlarge}"))
    named = _first_cells((DOCS / "template.md").read_text())
    assert set(named) <= set(template["Resources"])
    assert len(named) > 10
