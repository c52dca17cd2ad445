"""The commands and their options. Bodies live beside this file and are imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dlcluster.cli.guard import command
from dlcluster.cli.image_app import app as image_app
from dlcluster.cli.local_app import app as local_app

app = typer.Typer(
    help="Deep-learning clusters from one YAML file: on AWS, or rehearsed free and offline on an embedded cloud.",
    epilog="Start with no file and no account: dlcluster up && dlcluster train && dlcluster down",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(local_app, name="local")
app.add_typer(image_app, name="image")

File = Annotated[Path | None, typer.Option("-f", "--file", help="Cluster file (default: ./cluster.yaml).")]
Name = Annotated[str | None, typer.Option("-n", "--name", help="Cluster name (default: the file's).")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
# Options of ours come before the script or command; everything after it belongs to it.
PASS_ON: dict[str, Any] = {"allow_interspersed_args": False, "ignore_unknown_options": True}


def _version(value: bool) -> None:
    if value:
        from dlcluster import __version__

        typer.echo(f"dlcluster {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
@command
def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("cluster.yaml"),
    json_: Json = False,
) -> None:
    """Write a commented cluster file to start from."""
    from dlcluster.cli.files import run_init

    run_init(file, json_)


@app.command()
@command
def up(
    file: File = None,
    name: Name = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change and what it costs; do nothing.")] = False,
    yes: Yes = False,
    json_: Json = False,
) -> int:
    """Create the cluster, or bring it to what the file says."""
    from dlcluster.cli.up import run_up

    return run_up(file, name, plan, yes, json_)


@app.command(context_settings=PASS_ON)
@command
def train(
    script: Annotated[Path | None, typer.Argument(help="Your script (default: LeNet on handwritten digits).")] = None,
    args: Annotated[list[str] | None, typer.Argument(help="Arguments of the script.")] = None,
    file: File = None,
    name: Name = None,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Start the job and leave.")] = False,
    env: Annotated[
        list[str] | None,
        typer.Option("-e", "--env", metavar="KEY=VALUE", help="For the job's environment (repeatable)."),
    ] = None,
    procs: Annotated[
        int | None, typer.Option("--nproc-per-node", min=1, help="Processes a node (default: one per GPU, else one).")
    ] = None,
    restarts: Annotated[int, typer.Option("--max-restarts", min=0, help="Restarts after a failing process.")] = 0,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where results are saved.")] = Path(
        "dlcluster-outputs"
    ),
    json_: Json = False,
) -> int:
    """Run a training script on all workers and stream its output. The exit code is the job's."""
    from dlcluster.cli.train import run_train

    return run_train(file, name, script, args or [], detach, env or [], procs, restarts, output, json_)


@app.command()
@command
def status(
    file: File = None,
    name: Name = None,
    all_: Annotated[
        bool, typer.Option("-a", "--all", help="Every cluster this machine has made and not removed.")
    ] = False,
    json_: Json = False,
) -> int:
    """Show the cluster: nodes, jobs, cost."""
    from dlcluster.cli.status import run_status

    return run_status(file, name, all_, json_)


@app.command()
@command
def logs(
    job: Annotated[str | None, typer.Argument(help="The job (default: the latest).")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Attach to a running job.")] = False,
    rank: Annotated[int, typer.Option("--rank", min=0, help="Whose output.")] = 0,
    file: Annotated[Path | None, typer.Option("--file", help="Cluster file (default: ./cluster.yaml).")] = None,
    name: Name = None,
    json_: Json = False,
) -> int:
    """Show what a job printed. With -f follow it, and end with its exit code."""
    from dlcluster.cli.train import run_logs

    return run_logs(file, name, job, follow, rank, json_)


@app.command()
@command
def cancel(
    job: Annotated[str | None, typer.Argument(help="The job (default: the one that runs).")] = None,
    file: File = None,
    name: Name = None,
    json_: Json = False,
) -> int:
    """Stop a job on every node."""
    from dlcluster.cli.train import run_cancel

    return run_cancel(file, name, job, json_)


@app.command("exec", context_settings=PASS_ON)
@command
def exec_(
    argv: Annotated[list[str], typer.Argument(metavar="COMMAND", help="As words; or one word with shell syntax.")],
    file: File = None,
    name: Name = None,
    node: Annotated[
        list[str] | None,
        typer.Option("-w", "--node", metavar="NODE", help="A node's name (repeatable), `workers` or `all` (default)."),
    ] = None,
    json_: Json = False,
) -> int:
    """Run a command on all nodes at once. The exit code is the highest of all."""
    from dlcluster.cli.nodes import run_exec

    return run_exec(file, name, node or ["all"], argv, json_)


@app.command()
@command
def ssh(
    node: Annotated[str, typer.Argument(help="head, worker-0, ...")] = "head",
    file: File = None,
    name: Name = None,
) -> int:
    """Open a shell on a node with your OpenSSH client. Its host key is checked."""
    from dlcluster.cli.nodes import run_ssh

    return run_ssh(file, name, node)


@app.command()
@command
def down(
    cluster: Annotated[str | None, typer.Argument(help="The cluster's name (default: the file's).")] = None,
    file: File = None,
    name: Name = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where unsaved results go first.")] = Path(
        "dlcluster-outputs"
    ),
    discard: Annotated[bool, typer.Option("--discard", help="Do not save results that were never fetched.")] = False,
    yes: Yes = False,
    json_: Json = False,
) -> int:
    """Remove everything of the cluster, and prove that nothing is left."""
    from dlcluster.cli.down import run_down

    return run_down(file, cluster or name, None if discard else output, yes, json_)
