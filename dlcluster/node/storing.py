"""Copies what a job leaves on this node to the cluster's bucket, where it outlives the node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def store(spec: dict[str, Any], directory: str, folders: dict[str, str]) -> dict[str, Any]:
    """Upload folders of the job's directory: {folder: key prefix below the job's}. Returns {"files", "error"}.

    An error is told, not raised: the job itself has ended and its exit code stands.
    """
    if not spec.get("bucket"):
        return {"files": 0, "error": "the job has no bucket"}
    found = [pair for folder, prefix in folders.items() for pair in _files(os.path.join(directory, folder), prefix)]
    with ThreadPoolExecutor(8) as pool:
        errors = [error for error in pool.map(lambda pair: put(spec, *pair), found) if error]
    summary = "" if not errors else f"{len(errors)} of {len(found)} files not stored, the first: {errors[0]}"
    return {"files": len(found) - len(errors), "error": summary}


def put(spec: dict[str, Any], path: str, key: str) -> str:
    """Upload one file as `jobs/<id>/<key>`; returns the error, '' when it is there."""
    from . import agent

    try:
        agent.put_object(spec["bucket"], f"jobs/{spec['id']}/{key}", path)
    except Exception as error:  # whatever it is: network, permission, disk
        return f"{key}: {type(error).__name__}: {error}"
    return ""


def _files(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    for parent, directories, names in os.walk(folder):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.isfile(path):
                relative = os.path.relpath(path, folder).replace(os.sep, "/")
                yield path, "/".join(part for part in (prefix, relative) if part)
