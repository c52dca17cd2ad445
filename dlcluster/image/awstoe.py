"""Component documents of EC2 Image Builder (AWS Task Orchestrator and Executor, schema version 1.0)."""

from __future__ import annotations

import base64
import re
from shlex import quote
from typing import Any

from dlcluster.image.blocks import dump
from dlcluster.image.resolved import Image, Step
from dlcluster.image.shell import run

TARGET = "imagebuilder"
SCRIPTS = "Scripts"
"""Name of the parameter, of the stack and of documents, with the s3:// address of what is not inline."""
ASSET_BYTES = 8192
"""A file that is longer than this, or no text, is fetched from S3 by the build machine."""
_END = "DLCLUSTER_END_OF_FILE"


def assets(step: Step) -> list[str]:
    """Names of the files of a step that are fetched instead of being in its document."""
    return [name for name, content in step.files.items() if len(content) > ASSET_BYTES or step.text(name) is None]


def document(image: Image, step: Step) -> str:
    """The document of one step: build writes and runs the scripts, validate and test run the tests.

    validate runs on the build machine once everything is installed, test on a new machine made from the image.
    """
    fetched = assets(step)
    build = [_bash("WriteFiles", _write(step, fetched))]
    if fetched:
        build.append({"name": "FetchFiles", "action": "S3Download", "inputs": [_fetch(step, name) for name in fetched]})
    if step.component:
        build.append(_bash("Install", _run(image, step, "install.sh")))
    tests = [_bash(f"Test{number}", _run(image, step, script)) for number, script in enumerate(step.tests, 1)]
    phases = [
        {"name": "build", "steps": build},
        {"name": "validate", "steps": tests},
        {"name": "test", "steps": tests},
    ]
    scripts = {"type": "string", "description": "Where the files lie that are fetched: s3://bucket/prefix"}
    parameters = {"parameters": [{SCRIPTS: scripts}]} if fetched else {}
    return dump({"name": step.name, "schemaVersion": 1.0, **parameters, "phases": phases})


def _bash(name: str, script: str) -> dict[str, Any]:
    return {"name": name, "action": "ExecuteBash", "inputs": {"commands": [f"set -euo pipefail\n{script}\n"]}}


def _run(image: Image, step: Step, script: str) -> str:
    # Braces come from parameters alone, which are quoted there; '' between them keeps the shell's text the same.
    return re.sub(r"\{(?=\{)", "{''", run(image, step, TARGET, script))


def _fetch(step: Step, name: str) -> dict[str, str]:
    return {"source": f"{{{{ {SCRIPTS} }}}}/{step.sources[name]}", "destination": f"{step.folder}/{name}"}


def _write(step: Step, fetched: list[str]) -> str:
    lines = [f"mkdir -p {step.folder}", f"cd {step.folder}"]
    return "\n".join([*lines, *(_file(name, step.files[name]) for name in step.files if name not in fetched)])


def _file(name: str, content: bytes) -> str:
    """A shell command that writes a file: readable where it can be.

    `{{` begins an expression of the document's own language, which knows no way to quote it.
    """
    text = content.decode()
    if "{{" in text or _END in text or not text.endswith("\n"):
        return f"base64 --decode > {quote(name)} <<< {base64.b64encode(content).decode()}"
    return f"cat > {quote(name)} <<'{_END}'\n{text}{_END}"
