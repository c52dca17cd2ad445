"""Write the coverage table of docs/numpy.md from the code; `--check` only compares.

python scripts/numpy_coverage.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlengine.numpy as ours
import numpy
from dlengine.numpy.native import NATIVE
from dlengine.numpy.table_host import HOST

PAGE = Path(__file__).parent.parent / "docs" / "numpy.md"
BEGIN, END = "<!-- coverage: generated -->\n", "<!-- end of coverage -->\n"


def public(space: object) -> list[str]:
    """The functions and ufuncs of a namespace: callable, no class, no underscore."""
    names = [n for n in dir(space) if n[0] != "_"]
    return [n for n in names if callable(getattr(space, n)) and not isinstance(getattr(space, n), type)]


def table() -> str:
    """The numbers, and the functions that do not run on torch."""
    functions = public(numpy)
    native = [n for n in functions if n in NATIVE]
    host = [n for n in functions if n in HOST]
    rest = [n for n in functions if n not in NATIVE and n not in HOST]
    attributes = [n for n in dir(numpy.ndarray) if n[0] != "_"]
    lines = ["| part | NumPy | here | how |", "|---|---|---|---|"]
    lines.append(f"| functions and ufuncs | {len(functions)} | {len(native)} | on torch, on any device |")
    lines.append(f"| | | {len(host)} | NumPy's own: dtypes, printing, files, options; no gradient is possible |")
    lines.append(f"| | | {len(rest)} | in NumPy on the host, with a warning |")
    have = [n for n in attributes if hasattr(ours.ndarray, n)]
    lines.append(f"| attributes of ndarray | {len(attributes)} | {len(have)} | |")
    for name in ("linalg", "fft", "random"):
        names = getattr(numpy, name).__all__
        found = [n for n in names if hasattr(getattr(ours, name), n)]
        lines.append(f"| numpy.{name} | {len(names)} | {len(found)} | |")
    lines += ["", f"NumPy's own: {', '.join(host)}.", "", f"With a warning: {', '.join(rest)}."]
    lines += ["", f"Attributes that are absent: {', '.join(n for n in attributes if n not in have)}."]
    return "\n".join(lines) + "\n"


def page() -> str:
    before, rest = PAGE.read_text().split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        return int(fresh != PAGE.read_text())
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
