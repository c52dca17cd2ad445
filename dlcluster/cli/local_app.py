"""The `local` commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcluster.cli.guard import command

app = typer.Typer(help="The embedded cloud on this machine.", no_args_is_help=True, rich_markup_mode=None)
fault_app = typer.Typer(help="Let calls of the embedded cloud fail, as on AWS.", no_args_is_help=True)
app.add_typer(fault_app, name="fault")
capacity_app = typer.Typer(help="How many instances of a type the embedded cloud has room for.", no_args_is_help=True)
app.add_typer(capacity_app, name="capacity")

Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout, and nothing else there.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Service = Annotated[str | None, typer.Option("--service", help="ec2, s3, ... (wildcards allowed).")]
Action = Annotated[str | None, typer.Option("--action", help="Such as `RunInstances` or `Describe*`.")]
Origin = Annotated[str | None, typer.Option("--origin", help="user, node, cloudformation, autoscaling, i-...")]


@app.command("status")
@command
def local_status(json_: Json = False) -> int:
    """Whether the embedded cloud runs, where, and what it holds."""
    from dlcluster.cli.local import run_local_status

    return run_local_status(json_)


@app.command("stop")
@command
def local_stop(
    discard: Annotated[bool, typer.Option("--discard", help="Forget everything it holds.")] = False,
    yes: Yes = False,
    json_: Json = False,
) -> int:
    """Stop the embedded cloud. `dlcluster up` starts it again with what it held."""
    from dlcluster.cli.local import run_local_stop

    return run_local_stop(discard, yes, json_)


@app.command("calls")
@command
def local_calls(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as calls come.")] = False,
    service: Service = None,
    action: Action = None,
    origin: Origin = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were refused.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the last ones.")] = 10_000,
    json_: Json = False,
) -> int:
    """Show the calls that the embedded cloud answered."""
    from dlcluster.cli.faults import run_calls

    which = {"service": service, "action": action, "origin": origin, "failed": failed or None, "limit": limit}
    return run_calls(follow, which, json_)


@fault_app.command("add")
@command
def fault_add(
    kind: Annotated[
        str,
        typer.Argument(help="throttle, internal, unavailable, lost, slow, capacity, quota, hidden, expired, error."),
    ],
    service: Service = None,
    action: Action = None,
    origin: Origin = None,
    region: Annotated[str | None, typer.Option("--region", help="Calls to one region.")] = None,
    instance_type: Annotated[str | None, typer.Option("--type", help="Launches of a type, such as `p5.*`.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Launches in an availability zone.")] = None,
    nth: Annotated[int | None, typer.Option("--nth", min=1, help="From the Nth of these calls on.")] = None,
    times: Annotated[int | None, typer.Option("--count", min=1, help="So many calls (default: all).")] = None,
    probability: Annotated[
        float | None, typer.Option("--probability", min=0, max=1, help="A part of the calls.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Which part: the same seed, the same calls.")] = None,
    lasting: Annotated[float | None, typer.Option("--for", min=0, help="Ends by itself after so many seconds.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="How late (slow) or long (hidden).")] = None,
    code: Annotated[str | None, typer.Option("--code", help="The error's code, instead of the usual one.")] = None,
    message: Annotated[str | None, typer.Option("--message", help="The error's message.")] = None,
    status: Annotated[int | None, typer.Option("--status", help="The error's HTTP status.")] = None,
    json_: Json = False,
) -> int:
    """Let calls fail from now on: docs/faults.md tells the kinds."""
    from dlcluster.cli.faults import run_fault_add

    which = {
        "service": service, "action": action, "origin": origin, "region": region, "instance_type": instance_type,
        "zone": zone, "nth": nth, "times": times, "probability": probability, "seed": seed, "code": code,
        "message": message, "status": status,
    }  # fmt: skip
    return run_fault_add(kind, seconds, lasting, which, json_)


@fault_app.command("list")
@command
def fault_list(json_: Json = False) -> int:
    """Show the faults in force, and how often each has struck."""
    from dlcluster.cli.faults import run_fault_list

    return run_fault_list(json_)


@fault_app.command("clear")
@command
def fault_clear(
    id: Annotated[str | None, typer.Argument(help="One fault (default: all).")] = None, json_: Json = False
) -> int:
    """Remove faults."""
    from dlcluster.cli.faults import run_fault_clear

    return run_fault_clear(id, json_)


@capacity_app.command("set")
@command
def capacity_set(
    instance_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as `p5.48xlarge` or `p5.*`.")],
    instances: Annotated[int, typer.Argument(min=0, help="So many of each such type, in each such zone.")],
    zone: Annotated[str, typer.Option("--zone", help="Such as `us-east-1a` (default: every zone).")] = "*",
    json_: Json = False,
) -> int:
    """Limit the capacity; launches beyond it are refused as on AWS."""
    from dlcluster.cli.local_rehearsal import run_capacity_set

    return run_capacity_set(instance_type, instances, zone, json_)


@capacity_app.command("list")
@command
def capacity_list(json_: Json = False) -> int:
    """Show the limits and how much of them is used."""
    from dlcluster.cli.local_rehearsal import run_capacity_list

    return run_capacity_list(json_)


@capacity_app.command("clear")
@command
def capacity_clear(
    instance_type: Annotated[str, typer.Argument(metavar="TYPE", help="As it was set (default: all).")] = "",
    zone: Annotated[str, typer.Option("--zone", help="As it was set (default: all).")] = "",
    json_: Json = False,
) -> int:
    """Remove limits."""
    from dlcluster.cli.local_rehearsal import run_capacity_clear

    return run_capacity_clear(instance_type, zone, json_)


@app.command("interrupt")
@command
def local_interrupt(
    node: Annotated[str, typer.Argument(metavar="INSTANCE|NODE", help="Such as `i-...` or `worker-1`.")],
    after: Annotated[str, typer.Option("--after", help="How long after the notice: `30s`, `2m`.")] = "2m",
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Cluster file (default: ./cluster.yaml).")] = None,
    name: Annotated[str | None, typer.Option("-n", "--name", help="Cluster name (default: the file's).")] = None,
    json_: Json = False,
) -> int:
    """Take a spot instance back, as EC2 does. First a notice in its metadata, then its end."""
    from dlcluster.cli.local_rehearsal import run_interrupt

    return run_interrupt(node, after, file, name, json_)
