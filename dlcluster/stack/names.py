"""Names and tags that the resources share."""

from __future__ import annotations

from troposphere import Ref, Sub

from dlcluster.config import ClusterConfig

CLUSTER_TAG = "dlcluster:cluster"
ROLE_TAG = "dlcluster:role"
HOST_KEY_TAG = "dlcluster:host-key"
STATE_TAG = "dlcluster:state"


def stack_tags(config: ClusterConfig) -> dict[str, str]:
    """The tags of the stack, which CloudFormation puts on every resource that it creates."""
    return {**config.tags, CLUSTER_TAG: config.name}


def named(what: str) -> dict[str, Sub]:
    """A Name tag for the console: dlcluster-<cluster>-<what>."""
    return {"Name": Sub(f"dlcluster-${{ClusterName}}-{what}")}


def node_tags(config: ClusterConfig, role: str) -> dict[str, object]:
    """Tags of what a launch template launches: CloudFormation's stack tags do not reach those by themselves."""
    return {**config.tags, **named(role), CLUSTER_TAG: Ref("ClusterName"), ROLE_TAG: role}
