"""From a configuration to a cluster one can work on: session, stack, nodes, bucket, key."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from dlcluster.cloud import fleet, stacks
from dlcluster.cloud.session import Session
from dlcluster.cloud.stacks import Stack
from dlcluster.cloud.store import Store
from dlcluster.cluster.state import Record, known
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.remote.keys import KeyPair, load_key


@dataclass(frozen=True)
class Gone:
    """Why a cluster is not there: `text` for people.

    lost: it died with the embedded cloud. stopped: the embedded cloud is stopped, and kept it.
    """

    text: str
    lost: bool = False
    stopped: bool = False


def session(config: ClusterConfig, *, start: bool = False) -> Session | None:
    """A session for the configuration's cloud. None: the embedded cloud does not run (start=True starts it)."""
    if config.cloud == "aws":
        return Session("aws", config.region, profile=config.profile)
    from dlcluster.local import client

    daemon = client.ensure() if start else client.find()
    if daemon is None:
        return None
    return Session("local", config.region, ssh_port=daemon.ssh_port, endpoint=daemon.endpoint)


def find_stack(config: ClusterConfig) -> tuple[Session, Stack] | Gone:
    """The session and the stack of a cluster, or the reason why there is none."""
    record = Record(config.name)
    made = bool(record.read()) and not record.removed
    live = session(config)
    stack = stacks.find(live, config.stack_name) if live else None
    if live and stack:
        return live, stack
    if config.cloud == "local" and live is None and _is_kept(config):
        return Gone(f"the embedded cloud that holds the cluster {config.name} is stopped", stopped=True)
    if config.cloud == "local" and made:
        return Gone(f"the local cluster {config.name} is gone: the embedded cloud that held it has stopped", lost=True)
    if record.removed:
        when = record.removed.replace("T", " ").replace("+00:00", " UTC")
        return Gone(f"the cluster {config.name} was removed on {when}")
    return Gone(f"there is no cluster {config.name}" + (f" in {config.region}" if config.cloud == "aws" else ""))


def _is_kept(config: ClusterConfig) -> bool:
    from dlcluster.local import client

    kept = client.kept()
    return kept is not None and config.stack_name in kept.stacks


def open_cluster(config: ClusterConfig) -> Cluster:
    """The running cluster, ready for SSH and jobs. UserError NOT_FOUND when there is none or it is not usable yet."""
    return _reopen(config) or _open(config)


def _reopen(config: ClusterConfig) -> Cluster | None:
    """The cluster as this machine knows it: one call instead of two, when the nodes are still those of that stack."""
    record = Record(config.name)
    known_as = record.read()
    live = session(config) if "bucket" in known_as and not record.removed else None
    if live is None:
        return None
    nodes, key = fleet.nodes(live, config.name), load_key(record.directory)
    if key is None or not nodes or nodes[0].name != "head" or nodes[0].stack_id != known_as["stack"]:
        return None
    return Cluster(config.name, live, Store(live, str(known_as["bucket"])), nodes, key)


def _open(config: ClusterConfig) -> Cluster:
    found = find_stack(config)
    if isinstance(found, Gone):
        raise not_found(config, found)
    live, stack = found
    if stack.status not in stacks.GOOD and not stack.status.startswith("UPDATE"):
        raise UserError(
            f"the cluster is not ready: its stack is {stack.status}",
            where=config.name,
            hint="bring it up (again) with: dlcluster up",
            code=Exit.NOT_FOUND,
        )
    cluster = Cluster(
        name=config.name,
        session=live,
        store=Store(live, stack.outputs["BucketName"]),
        nodes=fleet.nodes(live, config.name),
        key=cluster_key(config, stack),
    )
    Record(config.name).add(stack=stack.id, bucket=cluster.store.bucket)
    return cluster


def cluster_key(config: ClusterConfig, stack: Stack) -> KeyPair:
    """This machine's key of the cluster; refused when it is missing or not the one the cluster was made with."""
    key = load_key(Record(config.name).directory)
    if key is None or key.public_key.split()[:2] != stack.parameters.get("PublicKey", "").split()[:2]:
        raise UserError(
            "this machine does not hold the cluster's SSH key",
            where=config.name,
            hint=f"work from the machine that made it, or copy {Record(config.name).directory} from there; "
            "`dlcluster status` and `dlcluster down` work without it",
            code=Exit.DENIED,
        )
    return key


def not_found(config: ClusterConfig, gone: Gone) -> UserError:
    """The error for work on a cluster that is not there, with what to type next."""
    names = [record.name for record in known() if not record.removed]
    near = difflib.get_close_matches(config.name, names, 1)
    if gone.stopped:
        hint = "`dlcluster up` starts it again with what it held"
    elif gone.lost:
        hint = "make a new one with `dlcluster up`, or clear its record with `dlcluster down`"
    elif near and near[0] != config.name:
        hint = f"did you mean {near[0]}? (-n {near[0]})"
    else:
        hint = "make it with: dlcluster up"
    return UserError(gone.text, hint=hint, code=Exit.NOT_FOUND)
