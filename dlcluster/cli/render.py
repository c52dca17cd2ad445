"""How progress and results look in a terminal: progress on stderr, data on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table
from rich.text import Text

from dlcluster.cli.hints import complete
from dlcluster.cloud.stacks import Change, Event
from dlcluster.cluster.report import Reporter, Silent
from dlcluster.errors import Exit, UserError

# A terminal gets lines broken between words; a pipe gets them whole, as `grep` expects.
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())
out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())

NARROWEST = 16  # cells of a column that gives way
UNLIMITED = 10_000
_MARK = {"Add": "[green]+[/]", "Modify": "[yellow]~[/]", "Remove": "[red]-[/]"}


class Terminal:
    """A reporter for people: finished things stay as lines, what is under way is one moving line below them."""

    def __init__(self) -> None:
        self._status: Status | None = err.status("") if err.is_terminal else None
        self._started: dict[str, float] = {}
        self._step = ""
        self._done = 0

    def __enter__(self) -> Terminal:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def step(self, text: str) -> None:
        self._step, self._done = text, 0
        self._under_way(text)
        if not self._status:
            err.print(escape(text))

    def event(self, event: Event) -> None:
        if event.type == "AWS::CloudFormation::Stack":
            return
        kind = event.type.removeprefix("AWS::")
        if event.failed:
            hanging(f"  [red]✗[/] {event.logical_id} [dim]{kind}[/] {event.status}: {escape(event.reason)}")
        elif event.status.endswith("_IN_PROGRESS"):
            self._started.setdefault(event.logical_id, time.monotonic())
            self._under_way(f"{self._step}: {self._done} done, now {event.logical_id}")
        elif event.status.endswith("_COMPLETE"):
            self._done += 1
            seconds = time.monotonic() - self._started.pop(event.logical_id, time.monotonic())
            mark = "[red]-[/]" if event.status.startswith("DELETE") else "[green]✓[/]"
            took = f" [dim]{seconds:.1f} s[/]" if seconds >= 0.95 else ""
            err.print(f"  {mark} {event.logical_id} [dim]{kind}[/]{took}")

    def nodes(self, ready: int, total: int, waiting: list[str]) -> None:
        rest = f" (waiting for {', '.join(waiting[:4])}{', ...' if len(waiting) > 4 else ''})" if waiting else ""
        self._under_way(f"nodes ready {ready}/{total}{rest}")
        if ready >= total:
            err.print(f"  [green]✓[/] nodes ready {ready}/{total}")

    def note(self, text: str) -> None:
        hanging(f"  {escape(text)}")

    def warn(self, text: str) -> None:
        warn(text)

    def _under_way(self, text: str) -> None:
        if self._status:
            self._status.update(f"[bold]{escape(text)}[/]")


def say(text: str) -> None:
    """One line for people, as it is."""
    err.print(escape(complete(text)))


def warn(text: str) -> None:
    """Something that may need the user's attention."""
    hanging(f"[yellow]warning:[/] {escape(complete(text))}")


def hanging(markup: str) -> None:
    """One line that a terminal too narrow for it gets as several, all but the first set in."""
    if not err.is_terminal:
        err.print(markup)
        return
    first, *others = Text.from_markup(markup).wrap(err, err.width - 4)
    err.print(first)
    for line in others:
        err.print(Text("    ") + line)


@contextmanager
def reporting(json_: bool) -> Iterator[Reporter]:
    """A reporter for this command: silent with --json."""
    if json_:
        yield Silent()
        return
    with Terminal() as terminal:
        yield terminal


def changes(rows: list[Change]) -> None:
    """Print a change set, one line a resource."""
    width = max((len(row.logical_id) for row in rows), default=0)
    for row in rows:
        replaced = {"True": " [red](replaced)[/]", "Conditional": " [yellow](may be replaced)[/]"}.get(
            row.replacement, ""
        )
        what = f" [dim]{', '.join(row.properties)}[/]" if row.action == "Modify" and row.properties else ""
        kind = row.type.removeprefix("AWS::")
        err.print(f"  {_MARK.get(row.action, '?')} {row.logical_id:<{width}} [dim]{kind}[/]{replaced}{what}")


def money(amount: float | None) -> str:
    """USD for people."""
    return "unknown" if amount is None else f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def table(columns: list[str], rows: list[list[Any]], *, fold: tuple[str, ...] = ()) -> None:
    """Print a plain table on stdout. In a narrow terminal the columns `fold` (default: the last) break, no other."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    needed = 0
    for index, column in enumerate(columns):
        folds = column in (fold or columns[-1:])
        grid.add_column(column, overflow="fold", no_wrap=not folds)
        longest = max(map(len, [column, *(row[index] for row in cells)]))
        needed += 2 + (min(longest, NARROWEST) if folds else longest)
    for row in cells:
        grid.add_row(*map(escape, row))
    width = max(needed, out.width) if sys.stdout.isatty() else UNLIMITED
    Console(highlight=False, width=width).print(grid)


def quantity(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def size(count: int) -> str:
    """Bytes for people: 812 bytes, 3.1 kB, 10.5 MB."""
    if count < 1000:
        return quantity(count, "byte")
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def clock(moment: str) -> str:
    """An ISO time as this machine's clock shows it."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def age(seconds: float) -> str:
    """47s, 12m, 3h05m, 2d4h."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m" if minutes else f"{rest}s"


def ask(question: str) -> bool:
    """A yes-or-no question; no terminal to ask on counts as no."""
    if not sys.stdin.isatty():
        return False
    err.print(f"{question} [bold]\\[y/N][/] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def agreed(question: str, discard: Callable[[], None], refused: str) -> None:
    """Ask, and go back before anything is done: UserError when the answer is no (2), or Ctrl-C (130)."""
    try:
        if ask(question):
            return
        code = Exit.USAGE
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    discard()
    what = "interrupted" if code == Exit.INTERRUPTED else "not confirmed"
    raise UserError(f"{what}; {refused}", hint="-y answers yes", code=code)
