"""What a terminal shows, and what a pipe gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from dlcluster.cli import render
from dlcluster.cli.render import quantity, size
from dlcluster.errors import UserError

LONG = "a reason that goes on and on, beyond the width of any terminal that somebody would sit at"
ROWS = [["i-0123456789abcdef0", LONG, "127.130.128.4"]]


def in_a_terminal(code: str, width: int) -> list[str]:
    """The lines that a program writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {**{name: text for name, text in os.environ.items() if name != "COLUMNS"}, "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        output = b""
        while chunk := _read(ours):
            output += chunk
    os.close(ours)
    assert process.returncode == 0, output
    return re.sub(r"\x1b\[[0-9;]*m|\r", "", output.decode()).splitlines()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other side is closed
        return b""


def test_a_narrow_terminal_breaks_one_column_and_leaves_the_others_whole():
    code = f"from dlcluster.cli.render import table; table(['ID', 'WHY', 'IP'], {ROWS!r}, fold=('WHY',))"
    lines = in_a_terminal(code, 80)
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("i-0123456789abcdef0  a reason")
    assert lines[1].rstrip().endswith("127.130.128.4")
    assert len(lines) > 2


def test_a_pipe_gets_a_row_in_one_line(capsys):
    render.table(["ID", "WHY", "IP"], ROWS)
    assert LONG in capsys.readouterr().out


def test_text_in_brackets_is_no_markup(capsys):
    render.table(["A"], [["[/bold] [red]x"]])
    render.say("[/bold] oops")
    render.warn("a[b].py")
    captured = capsys.readouterr()
    assert "[/bold] [red]x" in captured.out
    assert captured.err == "[/bold] oops\nwarning: a[b].py\n"


def test_a_terminal_gets_messages_broken_between_words_and_hints_below_each_other():
    code = (
        "from dlcluster.cli.lines import say; say('error: ' + 'words and ' * 12 + '\\n  hint: ' + 'more words ' * 12)"
    )
    lines = in_a_terminal(code, 60)
    assert max(map(len, lines)) <= 60
    hint = [index for index, line in enumerate(lines) if line.startswith("  hint: ")]
    assert all(line.startswith((" " * 8 + "more", " " * 8 + "words")) for line in lines[hint[0] + 1 :])
    assert all(line.startswith(("error:", "words", "and")) for line in lines[: hint[0]])


def test_a_long_warning_is_set_in_below_its_first_line():
    lines = in_a_terminal("from dlcluster.cli.render import warn; warn('words and ' * 12)", 60)
    assert lines[0].startswith("warning: words")
    assert len(lines) > 1
    assert all(line.startswith(("    w", "    a")) for line in lines[1:])
    assert max(map(len, lines)) <= 60


def test_quantities_read_as_people_write_them():
    assert [quantity(1, "file"), quantity(2, "file"), quantity(1438, "sample")] == [
        "1 file",
        "2 files",
        "1,438 samples",
    ]
    assert [size(1), size(812), size(3100), size(10_540_000)] == ["1 byte", "812 bytes", "3.1 kB", "10.5 MB"]


@pytest.mark.parametrize(("answer", "code"), [("no", 2), (KeyboardInterrupt, 130)])
def test_whoever_does_not_agree_finds_everything_as_it_was(answer, code, monkeypatch):
    def ask(question):
        if isinstance(answer, str):
            return False
        raise answer

    discarded = []
    monkeypatch.setattr(render, "ask", ask)
    with pytest.raises(UserError, match="nothing was changed") as caught:
        render.agreed("Go on?", lambda: discarded.append(True), "nothing was changed")
    assert caught.value.code == code
    assert discarded == [True]
