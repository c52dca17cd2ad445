"""Write the generated files that are committed: CloudFormation templates and the JSON Schema of the cluster file.

.venv/bin/python scripts/generate_templates.py
"""

from __future__ import annotations

import json
from pathlib import Path

from dlcluster.config import json_schema, load_cluster
from dlcluster.stack import build_template, to_json

ROOT = Path(__file__).resolve().parent.parent

TEMPLATES = {"cluster-cpu": "cpu", "cluster-gpu": "gpu-efa"}
"""Template name to the example cluster file that it is made from."""


def generated() -> dict[str, str]:
    """The text of every generated file, by its path in the repository."""
    files = {
        f"templates/{name}.json": to_json(build_template(load_cluster(ROOT / f"examples/clusters/{example}.yaml")))
        for name, example in TEMPLATES.items()
    }
    return {**files, "docs/cluster.schema.json": json.dumps(json_schema(), indent=2) + "\n"}


if __name__ == "__main__":
    for path, text in generated().items():
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")
