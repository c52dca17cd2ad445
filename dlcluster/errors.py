"""What a user can get wrong, or the world can do to them: one exception type, documented exit codes."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every `dlcluster` command (after sysexits.h, so that they stay clear of a job's own codes)."""

    OK = 0
    USAGE = 2  # bad arguments or a bad cluster file
    NOT_FOUND = 66  # no such cluster, job or node
    UNAVAILABLE = 69  # the cloud refused: capacity, quota, throttling, endpoint unreachable
    INTERNAL = 70  # a bug of ours
    FAILED = 73  # `up` could not create what was asked for; what it made is removed or named
    LEFTOVER = 74  # `down` ended and something is still there
    NODE_LOST = 75  # a node died or cannot be reached
    UNTRUSTED = 76  # a node answered with another host key than it published
    DENIED = 77  # credentials missing, expired or without permission
    INTERRUPTED = 130  # Ctrl-C


class UserError(Exception):
    """An error that carries what happened, where, and what to do about it.

    what: one sentence. where: file:line:column, resource, node or job. hint: what to type or change next.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", code: Exit = Exit.USAGE) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)
