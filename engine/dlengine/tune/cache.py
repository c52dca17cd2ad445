"""Choices of earlier runs, in one JSON file in the user's cache directory."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlengine.tune.plan import Plan

VERSION = 3


def path() -> Path:
    """$XDG_CACHE_HOME/dlengine/tune.json, or below ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dlengine" / "tune.json"


def load(key: str) -> Plan | None:
    """The plan remembered for a model on this machine, or None; a broken file is said on stderr, and ignored."""
    entry = _read().get(key)
    if entry is None:
        return None
    try:
        return Plan.from_dict(entry)
    except (TypeError, KeyError, ValueError):
        _complain()
        return None


def save(key: str, plan: Plan) -> None:
    """Remember a plan; a directory that cannot be written to is not an error."""
    plans = _read() | {key: asdict(plan)}
    file = path()
    beside = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"version": VERSION, "plans": plans}, indent=1))
        beside.replace(file)
    except OSError:
        return


def _read() -> dict[str, Any]:
    try:
        content = json.loads(path().read_text())
    except OSError:
        return {}
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("plans"), dict):
        _complain()
        return {}
    return content["plans"] if content.get("version") == VERSION else {}


def _complain() -> None:
    print(f"dlengine: {path()} is damaged and ignored", file=sys.stderr, flush=True)
