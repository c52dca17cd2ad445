"""Run the Python array API standard's own tests on dlengine.numpy, and compare what fails with the list below.

    python scripts/numpy_standard.py [--suite DIR] [--examples N] [--write]

DIR is a checkout of github.com/data-apis/array-api-tests with its submodule; without it one is made in the cache, of
the commit below. Exits with 1 when a test fails that is not in the list, or when one in the list passes. `--write`
puts the list and the figures of the run into docs/numpy.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "numpy.md"
BEGIN, END = "<!-- standard: generated -->\n", "<!-- end of standard -->\n"
SOURCE, COMMIT = "https://github.com/data-apis/array-api-tests", "55fcc60"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dlcluster" / "array-api"
NEEDS = ["pytest-json-report", "pytest-metadata", "ndindex"]


class Known(NamedTuple):
    """Tests that fail, as a pattern of their names, and what to say of them. `drawn`: whether they do in every run."""

    tests: str
    count: int
    what: str
    asked: str
    here: str
    drawn: bool = False


KNOWN = [
    Known(r"special_cases.*(floor_divide|floordiv__)\(.*infinity", 18, "`floor_divide` and `//` of infinities",
          "the infinity, and -0 for a finite number by one of the other sign", "NaN, and -1"),
    Known(r"special_cases.*expm1\(real", 6, "`expm1` of complex infinities and NaN",
          "the values that the exponential's limits have", "NaN"),
    Known(r"special_cases.*expm1\(\(real", 1, "`expm1` of a complex -0",
          "a positive zero", "the zero's sign kept", drawn=True),
    Known(r"special_cases.*tanh\(real", 1, "`tanh` of an infinite real and a finite imaginary part",
          "a positive zero as the imaginary part", "a zero with the sign of C's ctanh", drawn=True),
    Known(r"test_linalg.*::test_eig(vals)?$", 2, "`eig`, `eigvals` of a real matrix",
          "complex results", "real ones where all eigenvalues are real"),
    Known(r"test_finfo\[(float32|complex64)\]", 2, "`finfo(float32)`",
          "Python's numbers", "NumPy's scalars, which are of another type for 32 bits"),
    Known(r"test_func_signature\[clip\]", 1, "`clip(x, min, max)`",
          "parameters of these names", "`a_min` and `a_max`; the keywords `min` and `max` work, too"),
    Known(r"test_creation_functions.*::test_linspace$", 1, "`linspace` without its end",
          "the last digit of another formula", "NumPy's last digit", drawn=True),
]  # fmt: skip


def table() -> str:
    lines = ["| what | asked | here, as in NumPy | tests |", "|---|---|---|---|"]
    lines += [
        f"| {k.what} | {k.asked} | {k.here} | {k.count}{', as numbers are drawn' if k.drawn else ''} |" for k in KNOWN
    ]
    return "\n".join(lines) + "\n"


def page(figures: str | None = None) -> str:
    """docs/numpy.md with the table of this list, and the figures of a run, or those that it has."""
    before, rest = PAGE.read_text().split(BEGIN)
    old, after = rest.split(END)
    told = figures if figures is not None else old.split("\n\n")[0]
    return f"{before}{BEGIN}{told}\n\n{table()}{END}{after}"


def checked_out() -> Path:
    suite = CACHE / f"array-api-tests-{COMMIT}"
    if not suite.exists():
        suite.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "-q", SOURCE, suite], check=True)
        subprocess.run(["git", "checkout", "-q", COMMIT], cwd=suite, check=True)
        subprocess.run(["git", "submodule", "-q", "update", "--init"], cwd=suite, check=True)
    return suite


def plugins() -> Path:
    """A folder with what the suite needs beside pytest and hypothesis, apart from the environment."""
    place = CACHE / "plugins"
    if not place.exists():
        argv = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), *NEEDS]
        subprocess.run(argv, check=True)
    return place


def outcomes(suite: Path, examples: int, module: str = "dlengine.numpy") -> dict[str, str]:
    """What became of every test of the suite: passed, failed or skipped, by its name."""
    report = CACHE / "report.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--derandomize", "--disable-deadline"]
    argv += [f"--max-examples={examples}", f"--junit-xml={report}", "array_api_tests"]
    path = os.pathsep.join([str(plugins()), str(ROOT), str(ROOT / "engine"), os.environ.get("PYTHONPATH", "")])
    wanted = {"ARRAY_API_TESTS_MODULE": module, "ARRAY_API_TESTS_VERSION": "2025.12", "PYTHONPATH": path}
    wanted["PYTHONHASHSEED"] = "0"  # the order of sets takes part in what hypothesis draws
    done = subprocess.run(argv, cwd=suite, env=os.environ | wanted, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the suite did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        state = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[f"{case.get('classname')}::{case.get('name')}"] = state
    return found


def drift(found: dict[str, str]) -> list[str]:
    """What is wrong with the list: failures that are not in it, and entries that do not fail."""
    failed = {name for name, state in found.items() if state == "failed"}
    wrong = [f"fails, and is not in the list: {n}" for n in sorted(failed) if not any(_covers(k, n) for k in KNOWN)]
    for known in KNOWN:
        count = sum(_covers(known, name) for name in failed)
        if count != known.count and not (known.drawn and count < known.count):
            wrong.append(f"{known.what}: {count} tests fail, the list says {known.count}")
    return wrong


def _covers(known: Known, name: str) -> bool:
    return re.search(known.tests, name) is not None


def main() -> int:
    parser = argparse.ArgumentParser(description="the array API standard's own tests on dlengine.numpy")
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    found = outcomes((asked.suite or checked_out()).resolve(), asked.examples)
    states = list(found.values())
    passed, failed, skipped = (states.count(state) for state in ("passed", "failed", "skipped"))
    figures = (
        f"{date.today()}, commit {COMMIT} of the suite, {asked.examples} examples for each test: of {len(found):,} "
        f"tests {passed:,} pass, {failed} fail, {skipped} are skipped."
    )
    print(figures)
    wrong = drift(found)
    print("\n".join(wrong) if wrong else "what fails is what the list says")
    if asked.write and not wrong:
        PAGE.write_text(page(figures))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
