"""`up`: check, plan, execute exactly that plan, wait for the nodes, verify them over SSH."""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass

from dlcluster.checks import Finding
from dlcluster.checks import run as run_checks
from dlcluster.cloud import stacks
from dlcluster.cloud.session import Session, aws_errors
from dlcluster.cloud.stacks import Plan, Stack
from dlcluster.cluster.open import cluster_key, open_cluster, session
from dlcluster.cluster.ready import verify, wait_until_ready
from dlcluster.cluster.recipe import newest, recipe_of
from dlcluster.cluster.report import Reporter
from dlcluster.cluster.state import Record
from dlcluster.config import ClusterConfig
from dlcluster.errors import Exit, UserError
from dlcluster.jobs.cluster import Cluster
from dlcluster.remote.keys import ensure_key
from dlcluster.stack import build_template, image_parameter, parameters, stack_tags, to_json

IMAGE_TAG = "dlcluster:image"  # on the stack: the name that `image` had, for which ImageId holds the AMI


@dataclass(frozen=True)
class Prepared:
    """A plan that waits for consent. `fresh`: nothing of the cluster existed before."""

    config: ClusterConfig
    session: Session
    plan: Plan
    findings: list[Finding]
    fresh: bool


def check(config: ClusterConfig) -> list[Finding]:
    """Run the offline rules. UserError when one of them forbids to go on; the others are returned."""
    findings = run_checks(config)
    errors = [finding for finding in findings if finding.level == "ERROR"]
    if errors:
        lines = [f"{finding.message} [{finding.rule}]" for finding in errors]
        hints = [finding.hint for finding in errors if finding.hint]
        raise UserError("\n".join(lines), where=f"cluster {config.name}", hint="\n        ".join(hints))
    return findings


def prepare(config: ClusterConfig, reporter: Reporter) -> Prepared:
    """Everything of `up` that changes nothing the user would pay for."""
    findings = check(config)
    if config.cloud == "aws":
        reporter.step("talking to AWS")
    live = session(config)
    if live is None:
        reporter.step("starting the embedded cloud")
        live = session(config, start=True)
    assert live is not None, "a session that may start the embedded cloud is never missing"
    stack = stacks.settle(live, config.stack_name, reporter.event)
    reporter.step("planning")
    record = Record(config.name)
    key = cluster_key(config, stack) if stack else ensure_key(record.directory)
    pinned = _pin_image(live, config, stack)
    planned = stacks.plan(
        live,
        config.stack_name,
        to_json(build_template(pinned)),
        parameters(pinned, public_key=key.public_key, vpc_cidr=_vpc_cidr(live, config, stack)),
        {**stack_tags(config), IMAGE_TAG: config.image},
        exists=stack is not None,
    )
    return Prepared(config, live, planned, findings, fresh=stack is None)


def discard(prepared: Prepared) -> None:
    """Drop the plan and what was made for it."""
    stacks.discard(prepared.session, prepared.plan)
    record = Record(prepared.config.name)
    if prepared.fresh and not record.read():
        record.forget()


def execute(prepared: Prepared, reporter: Reporter) -> Cluster:
    """Carry out the plan, then wait until every node is ready and answers with its own host key.

    A stack that cannot be created is removed again before the error is raised.
    """
    config = prepared.config
    Record(config.name).save(config)
    if prepared.plan.kind != "none":
        reporter.step("creating the stack" if prepared.plan.kind == "create" else "updating the stack")
        try:
            stacks.apply(prepared.session, prepared.plan, reporter.event)
        except UserError as error:
            raise _after_failure(prepared, error, reporter) from error
    wait_until_ready(prepared.session, config, reporter)
    cluster = open_cluster(config)
    verify(cluster, reporter)
    _tell_of_old_types(cluster, config, reporter)
    return cluster


def _tell_of_old_types(cluster: Cluster, config: ClusterConfig, reporter: Reporter) -> None:
    """A group starts its next instances as the file says; those that run stay what they are."""
    old = [
        f"{node.name} ({node.instance_type})" for node in cluster.workers if node.instance_type != config.workers.type
    ]
    if old:
        names = ", ".join(old[:4]) + (f" and {len(old) - 4} more" if len(old) > 4 else "")
        reporter.warn(
            f"started before the type became {config.workers.type}, and not replaced: {names}; "
            "`dlcluster down` and `dlcluster up` make all of them anew"
        )


def _after_failure(prepared: Prepared, error: UserError, reporter: Reporter) -> UserError:
    if prepared.plan.kind != "create":
        error.hint = error.hint or "the stack rolled back to what it was; the cluster goes on as before"
        return error
    stack = stacks.find(prepared.session, prepared.config.stack_name)
    if stack is None or stacks.delete(prepared.session, stack, reporter.event) is None:
        error.hint = error.hint or "everything that had been created is removed"
        Record(prepared.config.name).forget()
    else:
        error.hint = "some of it could not be removed: run `dlcluster down`"
    return error


def _pin_image(live: Session, config: ClusterConfig, stack: Stack | None) -> ClusterConfig:
    """The configuration with its image as an AMI id: the one the cluster runs on as long as it asks for the same name.

    A stack that names an SSM parameter reads it anew at every update: a new image of AWS would then replace the head
    of a running cluster whenever something else changes.
    """
    if config.image.startswith("ami-"):
        return config
    recipe = recipe_of(config)
    python = config.python or (recipe.recipe.python if recipe else config.node_python)
    if stack and stack.tags.get(IMAGE_TAG) == config.image:
        ami = stack.parameters["ImageId"]
    elif recipe:
        ami = newest(live, recipe)
    else:
        with aws_errors(f"looking for the image {config.image}"):
            answer = live.client("ssm").get_parameter(Name=image_parameter(config.image))
        ami = answer["Parameter"]["Value"]
    return config.model_copy(update={"image": ami, "python": python})


def _vpc_cidr(live: Session, config: ClusterConfig, stack: Stack | None) -> str:
    """The address range: the existing one, the configured one, else a default that fits the cloud."""
    wanted = config.network.vpc_cidr
    if stack:
        existing = stack.parameters["VpcCidr"]
        if wanted and str(wanted) != existing:
            raise UserError(
                f"the address range of a running cluster cannot change (from {existing} to {wanted})",
                where="network.vpc_cidr",
                hint="`dlcluster down` and `dlcluster up`, or put the old range back",
            )
        return existing
    if wanted:
        return str(wanted)
    return _free_loopback_range(live, config.name) if config.cloud == "local" else "10.0.0.0/16"


def _free_loopback_range(live: Session, name: str) -> str:
    """127.N.0.0/16 that no other local cluster has: emulated VPCs share this machine's one loopback network."""
    with aws_errors("looking for a free address range"):
        pages = live.client("ec2").get_paginator("describe_vpcs").paginate()
        taken = [ipaddress.ip_network(vpc["CidrBlock"]) for page in pages for vpc in page["Vpcs"]]
    # Start at a place of the name's own, so that two clusters that come up at once rarely meet.
    start = zlib.crc32(name.encode()) % 254
    for step in range(254):
        candidate = ipaddress.ip_network(f"127.{1 + (start + step) % 254}.0.0/16")
        if not any(candidate.overlaps(other) for other in taken):
            return str(candidate)
    raise UserError("no loopback range is free for another local cluster", hint="dlcluster down", code=Exit.UNAVAILABLE)
