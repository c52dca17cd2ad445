"""Calls into the node code over SSH: the modules travel with the call, so client and node never disagree."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from dlcluster.remote.channel import Connection, Stream

# What each entry point needs, in order of dependency.
MODULES = {
    "pull": ("files", "pull"),
    "follow": ("files", "follow"),
    "stop": ("files", "processes", "stop"),
    "look": ("files", "look"),
}


class Lines:
    """The JSON lines that a call prints, as they come. After the last one: `stream.exit_code`, `stream.stderr`."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rest = b""
        for chunk in self.stream:
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)


def call(connection: Connection, entry: str, payload: dict[str, Any], *, timeout: float | None = None) -> Lines:
    """Start `main(payload)` of a node module. timeout: seconds until its output must have ended (TimeoutError)."""
    modules = [[name, _source(name)] for name in MODULES[entry]]
    request = json.dumps({"modules": modules, "entry": entry, "payload": payload}).encode()
    stream = connection.stream(["python3", "-I", "-S", "-c", _source("loader")], stdin=request)
    stream.limit(timeout)
    return Lines(stream)


def answers(
    connection: Connection, entry: str, payload: dict[str, Any], *, timeout: float = 60
) -> Iterator[dict[str, Any]]:
    """Call and pass on every line it prints, at least one. UserError NODE_LOST when it does not answer properly."""
    lines, silence = call(connection, entry, payload, timeout=timeout), True
    try:
        for line in lines:
            silence = False
            yield line
        if silence:
            raise _silent(connection, lines.stream)
    except TimeoutError:
        raise connection.lost(f"no answer within {timeout:.0f} s") from None
    finally:
        lines.stream.close()


def ask(connection: Connection, entry: str, payload: dict[str, Any], *, timeout: float = 60) -> dict[str, Any]:
    """Call and return the last line it prints. UserError NODE_LOST when it does not answer properly."""
    *_, last = answers(connection, entry, payload, timeout=timeout)
    return last


def _silent(connection: Connection, stream: Stream) -> Exception:
    """The error for a call that ended without an answer: its own last words are the reason."""
    code = stream.exit_code
    words = stream.stderr.decode("utf-8", "replace").strip().splitlines()
    return connection.lost(f"the node's python3 failed (exit code {code}): {words[-1] if words else 'no message'}")


@functools.cache
def _source(name: str) -> str:
    return (files("dlcluster.node") / f"{name}.py").read_text()
