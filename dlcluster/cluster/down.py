"""`down`: save what the user owns, stop the jobs, delete the stack, and prove that nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dlcluster.cloud import fleet, stacks, sweep
from dlcluster.cloud.session import Session, aws_errors
from dlcluster.cloud.stacks import Event, Stack
from dlcluster.cloud.store import Store
from dlcluster.cluster.open import Gone, cluster_key, find_stack, not_found, session
from dlcluster.cluster.outputs import fetch_missing
from dlcluster.cluster.report import Reporter
from dlcluster.cluster.state import Record
from dlcluster.config import ClusterConfig
from dlcluster.errors import UserError
from dlcluster.jobs import control
from dlcluster.jobs.cluster import Cluster

_KNOWN = "`dlcluster status -a` shows the clusters of this machine"


@dataclass
class Report:
    """What `down` did. `left` is empty when the proof succeeded."""

    name: str
    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    note: str = ""


def down(config: ClusterConfig, reporter: Reporter, *, outputs: Path | None = None) -> Report:
    """Remove the cluster. outputs: where results that were never fetched are saved first (None: discard them).

    Idempotent. A cluster that this machine never heard of and the cloud does not hold: UserError NOT_FOUND.
    """
    report = Report(config.name)
    record = Record(config.name)
    found = find_stack(config)
    if isinstance(found, Gone) and found.stopped:
        reporter.step("starting the embedded cloud")
        session(config, start=True)
        found = find_stack(config)
    live = session(config)
    if isinstance(found, Gone):
        if not record.read() and not (live and sweep.find(live, config.name)):
            error = not_found(config, found)
            error.hint = error.hint if "did you mean" in error.hint else _KNOWN
            raise error
        report.note = found.text
    else:
        _remove_stack(*found, config, reporter, report, outputs)
    if live:
        _sweep(live, config, reporter, report)
    if not report.left:
        record.bury()
    return report


def _remove_stack(
    live: Session, stack: Stack, config: ClusterConfig, reporter: Reporter, report: Report, outputs: Path | None
) -> None:
    _drain(live, stack, config, reporter, report, outputs)

    def record(event: Event) -> None:
        reporter.event(event)
        if event.status == "DELETE_COMPLETE" and event.type != "AWS::CloudFormation::Stack":
            report.removed.append(f"{event.type} {event.logical_id}")

    # A supervisor may store a last log while the bucket is being emptied: hence twice.
    left: Stack | None = stack
    for _ in range(2):
        if not config.bucket.keep:
            reporter.step("emptying the bucket")
            for bucket in _buckets(live, stack):
                Store(live, bucket).delete()
        reporter.step("deleting the stack")
        left = stacks.delete(live, stack, record, attempts=1)
        if left is None:
            return
    assert left is not None
    reporter.warn(f"the stack is {left.status}: {left.reason}")


def _drain(
    live: Session, stack: Stack, config: ClusterConfig, reporter: Reporter, report: Report, outputs: Path | None
) -> None:
    """Stop the jobs as far as their nodes can still be reached, then save their results from the bucket."""
    bucket = stack.outputs.get("BucketName")
    store = Store(live, bucket) if bucket else None
    if store is None or not store.keys("jobs/"):
        return
    reporter.step("stopping jobs")
    try:
        cluster = Cluster(config.name, live, store, fleet.nodes(live, config.name), cluster_key(config, stack))
        with cluster.gateway() as gateway:
            stopped = control.stop_everywhere(cluster, gateway, None)
        for job in stopped.jobs:
            reporter.note(f"stopped the job {job}")
    except UserError as error:
        reporter.warn(f"jobs could not be stopped before their nodes go: {error.what}")
    if outputs is not None and not config.bucket.keep:
        reporter.step("saving results")
        report.saved = _saved(store, outputs)


def _saved(store: Store, outputs: Path) -> list[str]:
    try:
        return [str(path) for path in fetch_missing(store, outputs)]
    except OSError as error:
        raise UserError(
            f"results cannot be saved: {error.strerror}; nothing was removed",
            where=str(error.filename or outputs),
            hint="`dlcluster down -o DIR` saves them elsewhere, `dlcluster down --discard` loses them",
        ) from None


def _buckets(live: Session, stack: Stack) -> list[str]:
    with aws_errors("looking for the bucket"):
        rows = live.client("cloudformation").describe_stack_resources(StackName=stack.id)["StackResources"]
    return [
        row["PhysicalResourceId"]
        for row in rows
        if row["ResourceType"] == "AWS::S3::Bucket"
        and row.get("PhysicalResourceId")
        and row["ResourceStatus"] not in {"DELETE_COMPLETE", "CREATE_FAILED"}
    ]


def _sweep(live: Session, config: ClusterConfig, reporter: Reporter, report: Report) -> None:
    reporter.step("sweeping every service for what carries the cluster's tag")
    keep = {"bucket"} if config.bucket.keep else set()
    swept = sweep.remove(live, config.name, keep=keep)
    report.removed += [str(item) for item in swept.removed]
    report.kept += [str(item) for item in swept.kept]
    report.left = [str(item) for item in swept.left]
