"""The nodes of a cluster, as one `describe_instances` call tells them: who, where, how far, which host key."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlcluster.cloud.session import Session, aws_errors

CLUSTER_TAG = "dlcluster:cluster"
ROLE_TAG = "dlcluster:role"
HOST_KEY_TAG = "dlcluster:host-key"
STATE_TAG = "dlcluster:state"
STACK_TAG = "aws:cloudformation:stack-id"
GONE = {"shutting-down", "terminated"}


@dataclass(frozen=True)
class Node:
    """One instance of a cluster.

    state: pending | booting | ready | failed | stopping | stopped (EC2's until it runs, then the node's own).
    """

    name: str
    role: str
    instance_id: str
    instance_type: str
    private_ip: str
    public_ip: str | None
    host_key: str | None
    state: str
    reason: str
    launch_time: datetime
    stack_id: str = ""

    @property
    def address(self) -> str:
        """Where to reach it from outside its network: the public address, else the private one."""
        return self.public_ip or self.private_ip


def nodes(session: Session, cluster: str) -> list[Node]:
    """All living nodes: the head first, then worker-0 .. worker-N-1 by private address."""
    rows = [row for row in instances(session, cluster) if row["State"]["Name"] not in GONE]
    heads = [row for row in rows if _tags(row).get(ROLE_TAG) == "head"]
    workers = sorted((row for row in rows if _tags(row).get(ROLE_TAG) == "worker"), key=_address_order)
    named = [("head" if len(heads) == 1 else f"head-{i}", row) for i, row in enumerate(heads)]
    named += [(f"worker-{i}", row) for i, row in enumerate(workers)]
    return [_node(name, row) for name, row in named]


def instances(session: Session, cluster: str) -> list[dict[str, Any]]:
    """The raw EC2 rows of the cluster, ended ones included while EC2 still lists them."""
    with aws_errors("listing the nodes"):
        pages = (
            session.client("ec2")
            .get_paginator("describe_instances")
            .paginate(Filters=[{"Name": f"tag:{CLUSTER_TAG}", "Values": [cluster]}])
        )
        return [row for page in pages for group in page["Reservations"] for row in group["Instances"]]


def _tags(row: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", [])}


def _address_order(row: dict[str, Any]) -> tuple[int, str]:
    # A node without an address yet (pending) comes last, so that the names of the others do not move.
    address = row.get("PrivateIpAddress")
    return (int(ipaddress.ip_address(address)) if address else 1 << 40, row["InstanceId"])


def _node(name: str, row: dict[str, Any]) -> Node:
    tags = _tags(row)
    state, reason = row["State"]["Name"], row.get("StateTransitionReason", "")
    if state == "running":
        word, _, reason = tags.get(STATE_TAG, "booting").partition(":")
        state, reason = word.strip(), reason.strip()
    return Node(
        name=name,
        role=tags.get(ROLE_TAG, ""),
        instance_id=row["InstanceId"],
        instance_type=row["InstanceType"],
        private_ip=row.get("PrivateIpAddress", ""),
        public_ip=row.get("PublicIpAddress"),
        host_key=tags.get(HOST_KEY_TAG),
        state=state,
        reason=reason,
        launch_time=row["LaunchTime"],
        stack_id=tags.get(STACK_TAG, ""),
    )
