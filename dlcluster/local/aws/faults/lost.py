"""Answers that were lost, for the emulator's own services: they ask again under the same invocation id.

On AWS, CloudFormation and Auto Scaling pass tokens that make their calls idempotent. EC2 has no such token for most
calls of a user, so users get no second answer: a repeated call takes effect again.
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ConnectionClosedError

from dlcluster.local.aws.backend import Answer
from dlcluster.local.aws.routing import Call

_OWN = ("cloudformation", "autoscaling")


class LostAnswers:
    """By the invocation id that botocore sends with every attempt of one call."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()

    def keep(self, call: Call, environ: dict[str, Any], answer: Answer) -> None:
        """Keep an answer that its caller may ask for again."""
        if call.origin in _OWN:
            with self._lock:
                self._answers[_invocation(environ)] = answer

    def again(self, call: Call, environ: dict[str, Any]) -> Answer | None:
        """The answer that was lost, once."""
        if call.origin not in _OWN:
            return None
        with self._lock:
            return self._answers.pop(_invocation(environ), None)


def ask_again(caught_exception: Exception | None = None, attempts: int = 1, **_: Any) -> float | None:
    """A botocore `needs-retry` handler: seconds until the next attempt when the connection ended without an answer."""
    return 0.0 if isinstance(caught_exception, ConnectionClosedError) and attempts == 1 else None


def _invocation(environ: dict[str, Any]) -> str:
    return str(environ.get("HTTP_AMZ_SDK_INVOCATION_ID", ""))
