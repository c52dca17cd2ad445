"""What long work tells whoever watches it. The terminal draws it, tests record it, `--json` ignores it."""

from __future__ import annotations

from typing import Protocol

from dlcluster.cloud.stacks import Event


class Reporter(Protocol):
    """Receives progress. Calls come from one thread at a time."""

    def step(self, text: str) -> None:
        """A phase begins."""

    def event(self, event: Event) -> None:
        """A resource of the stack changed its state."""

    def nodes(self, ready: int, total: int, waiting: list[str]) -> None:
        """So many nodes are ready; `waiting` says what the others do."""

    def note(self, text: str) -> None:
        """Something worth a line that stays on the screen."""

    def warn(self, text: str) -> None:
        """Something that may need the user's attention."""


class Silent:
    """A reporter that tells nobody."""

    def step(self, text: str) -> None: ...

    def event(self, event: Event) -> None: ...

    def nodes(self, ready: int, total: int, waiting: list[str]) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...
