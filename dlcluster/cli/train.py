"""`dlcluster train`, `logs` and `cancel` on the terminal."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, BinaryIO

from dlcluster.cli import render
from dlcluster.cli.guard import print_json
from dlcluster.cli.select import select
from dlcluster.cluster.open import open_cluster
from dlcluster.cluster.outputs import fetch
from dlcluster.errors import Exit, UserError
from dlcluster.jobs import control, results
from dlcluster.jobs.bundle import locate
from dlcluster.jobs.cluster import Cluster
from dlcluster.jobs.follow import Outcome, conclude, follow
from dlcluster.jobs.records import Job
from dlcluster.jobs.submit import Request, submit
from dlcluster.remote.ssh import Gateway


def run_train(
    file: Path | None,
    name: str | None,
    script: Path | None,
    args: list[str],
    detach: bool,
    env: list[str],
    processes: int | None,
    restarts: int,
    output: Path,
    json_: bool,
) -> int:
    """Submit a job and follow it; returns the job's exit code."""
    config = select(file, name)
    root, relative = locate(str(script), Path.cwd()) if script else builtin_script()
    request = Request(
        root=root,
        script=relative,
        args=args,
        processes=processes,
        max_restarts=restarts,
        python=config.python,
        env=_environment(env),
    )
    if output.exists() and not output.is_dir():
        raise UserError("not a folder", where=str(output), hint="give --output another one")
    cluster = open_cluster(config)
    say = _silent if json_ else render.say
    if script is None:
        say("no script given: training LeNet on handwritten digits (examples/lenet)")
    with cluster.gateway() as gateway:
        try:
            job = submit(cluster, gateway, request, say)
        except KeyboardInterrupt:
            raise UserError(
                "interrupted before the job was known to run",
                hint="`dlcluster status` shows whether it does, `dlcluster cancel` stops it",
                code=Exit.INTERRUPTED,
            ) from None
        if detach:
            _detached(job, json_)
            return Exit.OK
        return _attach(cluster, gateway, job, output, json_)


def run_logs(file: Path | None, name: str | None, wanted: str | None, attach: bool, rank: int, json_: bool) -> int:
    """Show a job's output; with `attach` follow it to its end and return its exit code."""
    config = select(file, name)
    cluster = open_cluster(config)
    with cluster.gateway() as gateway:
        found = control.find(cluster, gateway, wanted)
        job = found.record.job
        running = found.state in {"running", "waiting", "storing"}
        if attach and running:
            return _attach(cluster, gateway, job, Path("dlcluster-outputs"), json_, rank)
        sink: BinaryIO = io.BytesIO() if json_ else sys.stdout.buffer
        if found.record.end:
            results.stored_log(cluster.store, job, sink, rank=rank)
        else:  # the bucket has nothing of it yet, or never will
            results.live_log(cluster, gateway, job, sink, rank=rank, running=running)
        if json_:
            assert isinstance(sink, io.BytesIO)
            print_json({"job": job.id, "state": found.state, "log": sink.getvalue().decode(errors="replace")})
        if not attach:
            return Exit.OK
        outcome = conclude(cluster, None, job, found.status)
    return _report(job, outcome, [], Path(), json_=False, shown=rank)


def run_cancel(file: Path | None, name: str | None, wanted: str | None, json_: bool) -> int:
    """Stop a job, or all that run."""
    cluster = open_cluster(select(file, name))
    with cluster.gateway() as gateway:
        stopped = control.cancel(cluster, gateway, wanted)
    if json_:
        print_json({"jobs": stopped.jobs, "killed": stopped.killed, "unreached": stopped.unreached})
    for job, nodes in stopped.jobs.items() if not json_ else ():
        render.err.print(f"stopped {job} on {', '.join(nodes)}")
    if not stopped.jobs and not json_:
        render.err.print("no job runs" if wanted is None else f"{wanted} does not run")
    for node, reason in stopped.unreached.items():
        if not json_:
            render.warn(f"{node} cannot be reached: {reason}")
    return Exit.NODE_LOST if stopped.unreached else Exit.OK


def builtin_script() -> tuple[Path, str]:
    """The LeNet example: beside the packages in a source tree, inside the package when installed."""
    import dlcluster

    package = Path(dlcluster.__file__).parent
    for root in (package.parent / "examples" / "lenet", package / "examples" / "lenet"):
        if (root / "train.py").is_file():
            return root, "train.py"
    raise UserError(
        "the LeNet example is missing from this installation", hint="reinstall dlcluster", code=Exit.INTERNAL
    )


def _environment(pairs: list[str]) -> dict[str, str]:
    wrong = [pair for pair in pairs if not pair.partition("=")[1] or not pair.partition("=")[0].isidentifier()]
    if wrong:
        raise UserError(f"not KEY=VALUE: {wrong[0]}", where="--env")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def _silent(text: str) -> None:
    pass


def _detached(job: Job, json_: bool) -> None:
    if json_:
        print_json({"job": job.id, "state": "running"})
    else:
        render.say(f"{job.id} runs. Watch it: dlcluster logs -f; stop it: dlcluster cancel")


def _attach(cluster: Cluster, gateway: Gateway, job: Job, output: Path, json_: bool, rank: int = 0) -> int:
    sink: BinaryIO = sys.stderr.buffer if json_ else sys.stdout.buffer
    try:
        outcome = follow(cluster, gateway, job, sink, rank=rank)
    except KeyboardInterrupt:
        # Ctrl-C is for the watching, not for the job: that is what `cancel` is for.
        print(file=sys.stderr)
        _detached(job, json_)
        return Exit.INTERRUPTED
    return _report(job, outcome, _saved(cluster, job, output), output, json_, rank)


def _saved(cluster: Cluster, job: Job, output: Path) -> list[Path]:
    """Fetch the results; a folder that cannot be written changes nothing of how the job ended."""
    try:
        return fetch(cluster.store, job, output)
    except OSError as error:
        render.warn(
            f"results were not saved: {error.filename}: {error.strerror}; they stay in the bucket, and "
            "`dlcluster down -o DIR` saves them"
        )
        return []


def _report(job: Job, outcome: Outcome, saved: list[Path], output: Path, json_: bool, shown: int) -> int:
    """The end of a job: results first, and a failing rank's last words at the very end. shown: whose output was."""
    if json_:
        print_json(_as_json(job, outcome, saved))
        return outcome.exit_code
    for node, reason in outcome.unstored.items():
        render.warn(f"results of {node} could not be stored: {reason}")
    if saved:
        size = render.size(sum(path.stat().st_size for path in saved))
        render.say(f"results saved: {output / job.id} ({render.quantity(len(saved), 'file')}, {size})")
    if outcome.failure:
        # What that rank said is on this screen already, unless stdout went elsewhere.
        if outcome.failure.rank != shown or not (sys.stdout.isatty() and sys.stderr.isatty()):
            where = f"rank {outcome.failure.rank}" if outcome.failure.rank is not None else "torchrun"
            render.say(f"\nthe last lines of {where} on {outcome.failure.node}:")
            print(*outcome.failure.log, sep="\n", file=sys.stderr)
        render.err.print(f"[red]{job.id}: {outcome.failure}[/]")
    elif outcome.state == "succeeded":
        render.err.print(f"[green]{job.id} succeeded[/]")
    else:
        render.err.print(f"[yellow]{job.id} was {outcome.state}[/]")
    return outcome.exit_code


def _as_json(job: Job, outcome: Outcome, saved: list[Path]) -> dict[str, Any]:
    failure = outcome.failure
    return {
        "job": job.id,
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "failure": failure and {"node": failure.node, "rank": failure.rank, "log": failure.log},
        "outputs": [str(path) for path in saved],
        "unstored": outcome.unstored,
    }
