"""What the pages type works: commands parse, options and kinds are those that there are, YAML is what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dlcluster.cli.app import app
from dlcluster.config import parse_cluster
from dlcluster.errors import UserError
from dlcluster.image.library import library
from dlcluster.image.load import load_image
from dlcluster.image.model import Component, Recipe
from dlcluster.local.aws.faults.fault import KINDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "images/README.md", ROOT / "templates/README.md", *sorted(DOCS.glob("*.md"))]
# An ellipsis, a choice or an optional part stands for something: such a line is no command to type.
PATTERN = re.compile(r"\.\.\.|[\[|{<]")
WITHOUT_JSON = {"ssh"}


def blocks(page: Path) -> Iterator[str]:
    """The indented and the fenced blocks of a page, without their margin."""
    text = page.read_text()
    for block in re.findall(r"(?m)(?:^ {4}.*\n(?:[ \t]*\n(?= {4}))?)+", text):
        yield re.sub(r"(?m)^ {4}", "", block)
    for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", text):
        yield re.sub(r"(?m)^\$ ", "", block)


def typed(page: Path, *, inline: bool) -> list[str]:
    """Commands of ours that a page tells to type in its blocks, or names within its text (inline)."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    if inline:
        lines = re.findall(r"`([^`\n]+)`", page.read_text())
    calls = [re.sub(r"^(?:sudo |# +)", "", line).split(" #")[0].strip() for line in lines]
    return [call for call in calls if call.startswith("dlcluster ") and not PATTERN.search(call)]


def parse(call: str) -> None:
    """Parse a call down to the last option, and run nothing; typer's usage error when it is wrong."""
    group: Any = typer.main.get_command(app)
    arguments = shlex.split(re.split(r"\s[;&|]", call)[0])[1:]
    context = group.make_context("dlcluster", arguments)
    while getattr(group, "commands", None):
        name, group, arguments = group.resolve_command(context, [*context._protected_args, *context.args])
        context = group.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("inline", [False, True], ids=["typed", "named"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_of_the_pages_parse(page, inline, monkeypatch):
    monkeypatch.chdir(ROOT)
    for call in typed(page, inline=inline):
        if call.split()[1] in {"COMMAND", "--help"}:
            continue
        try:
            parse(call)
        except Exception as error:
            # Text may name a command without what it needs.
            if not (inline and type(error).__name__ == "MissingParameter"):
                pytest.fail(f"{page.name}: {call}: {getattr(error, 'message', error)}")


def test_there_are_commands_to_try():
    assert sum(len(typed(page, inline=inline)) for page in PAGES for inline in (False, True)) > 50


def leaves(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from leaves(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def test_all_commands_but_ssh_take_json():
    without = {
        name
        for name, command in leaves(typer.main.get_command(app))
        if "--json" not in [option for parameter in command.params for option in parameter.opts]
    }
    assert without == WITHOUT_JSON
    assert "With `--json`, which all but\n`ssh` have" in (DOCS / "commands.md").read_text()


def test_the_options_and_kinds_of_faults_are_those_that_there_are():
    text = (DOCS / "faults.md").read_text()
    (command,) = [command for name, command in leaves(typer.main.get_command(app)) if name == "local fault add"]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert set(re.findall(r"`(--[a-z]+)", text)) == options
    kinds = text.partition("## Kinds")[2].partition("\n## ")[0]
    assert re.findall(r"(?m)^\| `(\w+)` \|", kinds) == list(KINDS)


def recipe(tmp_path: Path, text: str) -> Path:
    (tmp_path / "images/mine").mkdir(parents=True)
    (tmp_path / "images/mine/recipe.yaml").write_text(text)
    return Path("images")


def recipes() -> list[str]:
    return [block for block in blocks(DOCS / "images.md") if block.startswith("name: mine\nsummary:")]


@pytest.mark.parametrize(("heading", "model"), [("A component", Component), ("A recipe", Recipe)])
def test_the_keys_of_images_are_those_that_there_are_and_the_needed_ones_are_marked(heading, model):
    section = (DOCS / "images.md").read_text().partition(f"## {heading}\n")[2].partition("\n\n")[0]
    rows = re.findall(r"(?m)^\| (`[^|]*`) \|([^|]*)\|", section)
    marked = {key: default.strip() == "needed" for keys, default in rows for key in re.findall(r"`(\w+)`", keys)}
    assert marked == {key: field.is_required() for key, field in model.model_fields.items()}


def test_the_recipe_of_the_page_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = load_image(library(recipe(tmp_path, recipes()[0])), "mine")
    assert [step.name for step in image.installs] == ["node", "base-tools", "python", "torch"]


def test_the_mistakes_of_the_page_are_those_that_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        load_image(library(recipe(tmp_path, recipes()[1])), "mine")
    assert f"error: {caught.value}\n" in list(blocks(DOCS / "images.md"))


def test_the_mistakes_of_the_cluster_file_are_those_that_are_told():
    wrong, told = (block for block in blocks(DOCS / "cluster-file.md") if "cuont" in block)
    with pytest.raises(UserError) as caught:
        parse_cluster(wrong)
    assert told == f"error: {caught.value}\n"
