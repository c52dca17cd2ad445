"""The file that `dlcluster init` writes."""

from __future__ import annotations

from importlib import resources

SCHEMA_FILE = "cluster.schema.json"


def starter_file(schema: str = SCHEMA_FILE) -> str:
    """A commented cluster file in which every value is the default.

    schema: path or URL of the JSON Schema for the editor's YAML language server, relative to the file.
    """
    text = resources.files(__package__).joinpath("starter.yaml").read_text(encoding="utf-8")
    return f"# yaml-language-server: $schema={schema}\n{text}"
