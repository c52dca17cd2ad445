"""Which files belong to a bundle: the rules of .gitignore, as git applies them, plus .dlclusterignore beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILES = (".gitignore", ".dlclusterignore")  # the second has the last word
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


@dataclass(frozen=True)
class Rule:
    """One pattern. regex matches the path relative to the ignore file, or the bare name when not anchored."""

    regex: re.Pattern[str]
    anchored: bool
    directories_only: bool
    ignores: bool  # False: a `!` pattern, takes files back

    def matches(self, path: str, is_directory: bool) -> bool:
        """path: relative to the directory of the ignore file, with slashes."""
        if self.directories_only and not is_directory:
            return False
        return self.regex.fullmatch(path if self.anchored else path.rpartition("/")[2]) is not None


@dataclass(frozen=True)
class Rules:
    """The patterns that hold in a directory: those of its own ignore files after its parents', the last match wins."""

    layers: tuple[tuple[str, tuple[Rule, ...]], ...] = ()  # (directory relative to the top, '' or 'a/b/'), rules

    def entering(self, directory: Path, relative: str) -> Rules:
        """The rules inside a directory; relative: its path from the top, '' or 'a/b/'."""
        rules = tuple(rule for name in FILES for rule in _read(directory / name))
        return Rules((*self.layers, (relative, rules))) if rules else self

    def ignored(self, path: str, is_directory: bool) -> bool:
        """Whether a path (from the top, its parents not ignored) is left out."""
        for base, rules in reversed(self.layers):
            for rule in reversed(rules):
                if rule.matches(path[len(base) :], is_directory):
                    return rule.ignores
        return False


def parse(lines: Iterable[str]) -> list[Rule]:
    """The rules of an ignore file. Patterns that can never match (as `abc\\`) are left out, as git does."""
    return [rule for line in lines if (rule := _parse_line(line)) is not None]


def rules_above(directory: Path) -> tuple[Path, Rules]:
    """The top of the git work tree that a directory is in (else the directory itself), and the rules from above it."""
    parents = [directory, *directory.parents]
    top = next((parent for parent in parents if (parent / ".git").exists()), directory)
    rules = Rules()
    for parent in reversed(parents[: parents.index(top) + 1]):
        if parent != directory:
            rules = rules.entering(parent, _slashed(parent.relative_to(top).as_posix()))
    return top, rules


def _slashed(path: str) -> str:
    return "" if path == "." else path + "/"


def _read(path: Path) -> list[Rule]:
    if not path.is_file():
        return []
    return parse(path.read_bytes().decode("utf-8-sig", "surrogateescape").split("\n"))


def _parse_line(line: str) -> Rule | None:
    if line.startswith("#"):
        return None
    pattern = _strip_spaces(line.removesuffix("\r"))
    ignores = not pattern.startswith("!")
    pattern = pattern if ignores else pattern[1:]
    directories_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    anchored = "/" in pattern
    pattern = pattern.removeprefix("/")
    regex = _translate(pattern) if pattern else None
    return None if regex is None else Rule(re.compile(regex, re.DOTALL), anchored, directories_only, ignores)


def _strip_spaces(line: str) -> str:
    """Without trailing spaces, except those a backslash protects."""
    end = len(line.rstrip(" "))
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + 1] if backslashes % 2 else line[:end]


def _translate(pattern: str) -> str | None:
    """A pattern as a regular expression for the whole path; None when it can match nothing."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            stars = len(pattern[at:]) - len(pattern[at:].lstrip("*"))
            piece, at = _stars(pattern, at, stars)
        elif char == "?":
            piece, at = "[^/]", at + 1
        elif char == "[":
            found = _bracket(pattern, at + 1)
            if found is None:
                return None
            piece, at = found
        elif char == "\\":
            if at + 1 == len(pattern):
                return None
            piece, at = re.escape(pattern[at + 1]), at + 2
        else:
            piece, at = re.escape(char), at + 1
        out.append(piece)
    return "".join(out)


def _stars(pattern: str, at: int, stars: int) -> tuple[str, int]:
    """`**` crosses directories only where it stands alone between slashes; `a/**/b` matches `a/b` too."""
    after = at + stars
    alone = (at == 0 or pattern[at - 1] == "/") and (after == len(pattern) or pattern[after] == "/")
    if stars < 2 or not alone:
        return "[^/]*", after
    if after == len(pattern):
        return ".*", after
    return "(?:.*/)?", after + 1


def _bracket(pattern: str, at: int) -> tuple[str, int] | None:
    """A character class from behind its `[`, and where it ends; None when it is not closed. Never matches a slash."""
    negated = pattern[at : at + 1] in {"!", "^"}
    at += negated
    items: list[str] = []
    first = True
    while first or pattern[at : at + 1] != "]":
        first = False
        if pattern.startswith("[:", at):
            end = pattern.find("]", at + 2)
            if end > at + 2 and pattern[end - 1] == ":":
                name = pattern[at + 2 : end - 1]
                if name not in _CLASSES:
                    return None
                items.append(_CLASSES[name])
                at = end + 1
                continue
        low, at = _character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in {"", "]"}:
            high, at = _character(pattern, at + 1)
        if not low or not high:
            return None
        items.append(re.escape(low))  # by itself too: git matches the `b` of the empty range `b-a`
        if low < high:
            items.append(re.escape(low) + "-" + re.escape(high))
    inside = "".join(items)
    if negated:
        return f"[^/{inside}]", at + 1
    return f"(?!/)[{inside}]", at + 1


def _character(pattern: str, at: int) -> tuple[str, int]:
    """The character at a place of a class ('' past the end), and the place after it."""
    if pattern[at : at + 1] == "\\":
        at += 1
    return pattern[at : at + 1], at + 1
