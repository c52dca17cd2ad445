"""Questions to the running embedded cloud about what AWS has no API for: faults, calls, capacity, interruptions."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from dlcluster.errors import Exit, UserError
from dlcluster.local import client

ANSWER_SECONDS = 10.0


def running(home: Path | None = None) -> client.Daemon:
    """The daemon. Raises UserError when none runs."""
    daemon = client.find(home)
    if daemon is None:
        raise UserError("the embedded cloud does not run", hint="`dlcluster up` starts it", code=Exit.NOT_FOUND)
    return daemon


def ask(daemon: client.Daemon, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer to a request below /_emulator/. Raises UserError for a refusal, or when nobody answers."""
    connection = HTTPConnection(daemon.endpoint.removeprefix("http://"), timeout=ANSWER_SECONDS)
    try:
        connection.request(method, f"/_emulator/{path}", json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(f"the embedded cloud does not answer: {error}", code=Exit.UNAVAILABLE) from error
    finally:
        connection.close()
    if response.status >= 400:
        code = Exit.NOT_FOUND if response.status == 404 else Exit.USAGE
        raise UserError(answer.get("error", str(answer)), where=path.partition("/")[0].partition("?")[0], code=code)
    return answer
