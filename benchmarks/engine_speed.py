"""Training steps of dlengine.fit against plain torch and other frameworks: time, losses and peak memory.

All contenders of a workload live at once, each in its process; rounds go over all in an order drawn anew, so that load
from outside and what the one before leaves behind meet all alike. A ratio is that of two times in one round. Where a
process finds its memory decides up to a third of a short step; so those that are compared closest, fit, eager torch and
the loop with fit's settings, are started anew several times.
`python -m benchmarks.engine_speed [WORKLOAD ...]`.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.engine import environments, jobs
from benchmarks.engine.environments import CONTENDERS, Contender
from benchmarks.engine.jobs import Workload

SITTINGS = 4  # processes of each of FRESH, one after the other
ROUNDS = 7  # in a sitting
SECONDS = 55.0  # of rounds of one workload at most, and twice that where a step takes a second
PAUSE = 0.25  # seconds before each: threads of some frameworks spin for 0.2 s after their work
EAGER = "torch eager"
LOOP = "hand-written loop, fit's settings"
FRESH = ("dlengine.fit", EAGER, LOOP)


class Process:
    """A contender at work."""

    def __init__(self, contender: Contender, job: Path) -> None:
        self.contender = contender
        self.answers: list[dict[str, float]] = []
        self._job = job
        self.begin()

    def begin(self) -> None:
        """A new process, which makes the first three steps."""
        self._process = environments.start(self.contender, self._job)
        self.losses: list[float] = self._answer()["losses"]

    def run(self, steps: int) -> None:
        """So many steps, whose time counts."""
        self.answers.append(self.warm(steps))

    def warm(self, steps: int) -> dict[str, float]:
        """So many steps; how long they took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Let it end."""
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self._process.communicate(timeout=10)
        self._process.kill()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.contender.title} ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def compete(workload: Workload, folder: Path) -> dict[str, Any]:
    """All contenders on one workload: a row for each, or the reason why there is none."""
    job = jobs.write(workload, folder)
    chosen = [each for each in CONTENDERS if workload.name in each.only]
    failures: dict[str, str] = {}

    def begin(contender: Contender) -> Process | None:
        try:
            return Process(contender, job)
        except RuntimeError as error:
            failures[contender.title] = str(error)
            return None

    # Ours first and alone: it measures before it trains.
    started = [begin(chosen[0])]
    with ThreadPoolExecutor(2) as pool:
        started += pool.map(begin, chosen[1:])
    processes = [each for each in started if each is not None]
    try:
        _sit(workload, processes)
    finally:
        for each in processes:
            each.close()
    return {"rows": rows(workload, processes), "failures": failures}


def _sit(workload: Workload, processes: list[Process]) -> None:
    """All rounds of one workload."""
    draw = random.Random(0)
    new = processes
    for sitting in range(SITTINGS):
        if sitting:
            new = [each for each in processes if each.contender.title in FRESH]
            for each in new:
                each.close()
                each.begin()
        for each in new:  # kernels are chosen and compiled in the first steps
            each.warm(max(1, workload.steps // 3))
        until = time.perf_counter() + SECONDS / SITTINGS * (1 if workload.steps > 1 else 2)
        for _ in range(ROUNDS):
            for each in draw.sample(processes, len(processes)):
                time.sleep(PAUSE)
                each.run(workload.steps)
            if time.perf_counter() > until:
                break


def rows(workload: Workload, processes: list[Process]) -> list[dict[str, Any]]:
    """Medians over the rounds; ratios to eager torch, and to the loop with the same settings, within a round."""
    walls = {each.contender.title: [answer["wall"] for answer in each.answers] for each in processes}
    cpus = {each.contender.title: [answer["cpu"] for answer in each.answers] for each in processes}
    losses = {each.contender.title: each.losses for each in processes}
    found = []
    for each in processes:
        title = each.contender.title
        ratios = [eager / own for eager, own in zip(walls[EAGER], walls[title], strict=True)]
        off = max(abs(a - b) for a, b in zip(losses[EAGER], each.losses, strict=True))
        found.append(
            {
                "title": title,
                "peer": each.contender.peer,
                "samples_per_second": workload.batch * workload.steps / statistics.median(walls[title]),
                "ratio": statistics.median(ratios),
                "over_loop": _over(walls.get(LOOP), walls[title]),
                "low": min(ratios),
                "high": max(ratios),
                "cpu_ratio": statistics.median(cpus[EAGER]) / statistics.median(cpus[title]),
                "mib": max(answer["mib"] for answer in each.answers),
                "loss_difference": off,
                "rounds": len(ratios),
            }
        )
    return found


def _over(loop: list[float] | None, own: list[float]) -> float | None:
    """By how much a contender's steps take longer than those of the loop, as a part of these."""
    return None if loop is None else statistics.median(a / b for a, b in zip(own, loop, strict=True)) - 1


def verdicts(workload: Workload, found: dict[str, Any]) -> list[str]:
    """The bars, each with what was measured."""
    by_title = {row["title"]: row for row in found["rows"]}
    ours = by_title.get("dlengine.fit")
    if ours is None or LOOP not in by_title:
        return ["dlengine.fit did not run"]
    best = max((row for row in found["rows"] if row["peer"]), key=lambda row: row["ratio"])
    over = ours["over_loop"]
    eager = by_title[EAGER]["mib"]
    wrong = [row["title"] for row in found["rows"] if not row["loss_difference"] < 1e-3]
    checks = [
        (f"at least {workload.bar} x eager torch: {ours['ratio']:.2f}", ours["ratio"] >= (workload.bar or 0)),
        (f"ahead of every peer: the best is {best['title']}, {best['ratio']:.2f}", ours["ratio"] > best["ratio"]),
        (f"at most 2% over a hand-written loop with the same settings: {over:+.1%}", over <= 0.02),
        (f"peak memory at most eager torch's {eager:.0f} MiB: {ours['mib']:.0f} MiB", ours["mib"] <= eager),
        (
            "losses of the first three steps equal to 1e-3" + (f", not of {', '.join(wrong)}" if wrong else ""),
            not wrong,
        ),
    ]
    return [f"{'met' if met else '**missed**'}: {text}" for text, met in checks[0 if workload.bar else 1 :]]


def table(workload: Workload, found: dict[str, Any]) -> list[str]:
    """The rows of one workload as Markdown, the fastest first."""
    lines = [f"## {workload.title}", ""]
    lines += ["| contender | x eager torch | min .. max | by processor time | samples/s | peak MiB |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in sorted(found["rows"], key=lambda row: -row["ratio"]):
        lines.append(
            f"| {row['title']} | {row['ratio']:.2f} | {row['low']:.2f} .. {row['high']:.2f} | {row['cpu_ratio']:.2f} "
            f"| {row['samples_per_second']:,.0f} | {row['mib']:,.0f} |"
        )
    lines += [f"| {title} | did not run: {reason} | | | | |" for title, reason in found["failures"].items()]
    return [*lines, "", *[f"- {each}" for each in verdicts(workload, found)], ""]


def main(names: list[str] | None = None) -> None:
    """Run the workloads of these names, all unless given, and write the table of all that have ever run."""
    stored = measure.RESULTS / "engine.json"
    results = json.loads(stored.read_text()) if stored.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for workload in jobs.WORKLOADS:
            if not names or workload.name in names:
                results[workload.name] = compete(workload, Path(folder)) | {"machine": measure.machine()}
                results[workload.name]["date"] = time.strftime("%Y-%m-%d %H:%M")
                print("\n".join(table(workload, results[workload.name])), flush=True)
                stored.write_text(json.dumps(results, indent=1) + "\n")
    lines = ["# Training steps: dlengine.fit and its peers", ""]
    for workload in jobs.WORKLOADS:
        if workload.name in results:
            found = results[workload.name]
            lines += [*table(workload, found), f"{found['date']}, {found['machine']}.", ""]
    (measure.RESULTS / "engine.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
