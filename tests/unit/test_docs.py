"""What the documentation names exists: files, tests, commands and exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from dlcluster.cli.app import app
from dlcluster.errors import Exit

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "images/README.md", *sorted((ROOT / "docs").glob("*.md"))]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_tests_that_are_named_exist(page):
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "tests").rglob("test_*.py")}
    missing = []
    for file, name in re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?", page.read_text()):
        texts = [path.read_text() for place, path in files.items() if f"/{place}".endswith(f"/{file}")]
        if not any(re.search(rf"(def|class) {name}\b", text) for text in texts):
            missing.append(f"{file}::{name}")
    assert missing == []


def commands(group: click.Command, above: str = "") -> Iterator[str]:
    for name, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from commands(command, f"{above}{name} ")
        elif not command.hidden:
            yield f"{above}{name}"


def documented() -> set[str]:
    """The commands in the first column of the table: `local fault add\\|list\\|clear` are three."""
    found = set()
    for row in re.findall(r"^\| (`.*?) \| ", (ROOT / "docs/commands.md").read_text(), flags=re.M):
        for call in re.findall(r"`([^`]*)`", row):
            *above, last = re.match(r"[a-z ]+(?:\\\|[a-z]+)*", call)[0].split()
            found |= {" ".join([*above, name]) for name in last.split("\\|")}
    return found


def test_every_command_is_documented_and_no_other():
    assert documented() == set(commands(typer.main.get_command(app)))


def test_every_exit_code_is_documented_and_no_other():
    table = (ROOT / "docs/commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.M)}
    assert codes == {int(code) for code in Exit}
