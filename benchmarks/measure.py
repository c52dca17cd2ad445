"""Timing whole processes, and writing results down with the machine they came from."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, its bar, the median and spread of the runs."""

    what: str
    bar: str
    median: float
    low: float
    high: float
    runs: int
    unit: str = "s"
    met: bool | None = None


def row(what: str, values: list[float], *, limit: float | None = None, unit: str = "s") -> Row:
    """Summarise runs; `limit` is the bar that the median must not exceed."""
    median = statistics.median(values)
    bar = f"<= {limit:g} {unit}" if limit is not None else ""
    met = median <= limit if limit is not None else None
    return Row(what, bar, median, min(values), max(values), len(values), unit, met)


def seconds(argv: list[str], **options: object) -> float:
    """Wall time of a process that must succeed; its output is shown when it does not."""
    started = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    took = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return took


def machine() -> str:
    """One line: processor, cores, memory, system, Python."""
    model = next((x.split(":")[1].strip() for x in _read("/proc/cpuinfo") if x.startswith("model name")), "?")
    kib = next((int(x.split()[1]) for x in _read("/proc/meminfo") if x.startswith("MemTotal")), 0)
    return (
        f"{os.cpu_count()} cores of {model or platform.processor()}, {kib / 2**20:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _read(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def publish(name: str, title: str, rows: list[Row], notes: list[str]) -> None:
    """Print the table and write it as Markdown and JSON."""
    lines = [f"# {title}", "", f"{date.today()}, {machine()}.", ""]
    lines += ["| what | bar | median | min .. max | runs | met |", "|---|---|---|---|---|---|"]
    for each in rows:
        met = {True: "yes", False: "**no**", None: ""}[each.met]
        spread = f"{each.low:.3g} .. {each.high:.3g}"
        lines.append(f"| {each.what} | {each.bar} | {each.median:.3g} {each.unit} | {spread} | {each.runs} | {met} |")
    lines += ["", *[f"- {note}" for note in notes], ""]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines))
    data = {"date": str(date.today()), "machine": machine(), "rows": [asdict(each) for each in rows], "notes": notes}
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    print("\n".join(lines))
