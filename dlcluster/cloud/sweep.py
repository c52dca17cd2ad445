"""Proof that nothing is left: every service is asked for what carries a cluster's tag, and leftovers are removed.

Deleting the stack should leave nothing. This looks all the same, because a leaked instance is the dearest bug there is.
Kinds are listed in the order in which they can be deleted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from dlcluster.cloud.fleet import CLUSTER_TAG, GONE
from dlcluster.cloud.session import Session, aws_errors, error_code
from dlcluster.cloud.store import Store


@dataclass(frozen=True)
class Found:
    """One resource that carries the cluster's tag."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True)
class _Kind:
    """How EC2 lists and deletes one kind of resource."""

    name: str
    operation: str
    rows: str
    key: str
    delete: str
    argument: str
    gone: frozenset[str] = frozenset()
    many: bool = False


_EC2 = [
    _Kind(
        "instance", "describe_instances", "Reservations", "InstanceId", "terminate_instances", "InstanceIds",
        gone=frozenset(GONE), many=True,
    ),
    _Kind(
        "NAT gateway", "describe_nat_gateways", "NatGateways", "NatGatewayId", "delete_nat_gateway", "NatGatewayId",
        gone=frozenset({"deleted", "deleting"}),
    ),
    _Kind(
        "VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "delete_vpc_endpoints",
        "VpcEndpointIds", gone=frozenset({"deleted", "deleting"}), many=True,
    ),
    _Kind("volume", "describe_volumes", "Volumes", "VolumeId", "delete_volume", "VolumeId"),
    _Kind(
        "network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId",
        "delete_network_interface", "NetworkInterfaceId",
    ),
    _Kind("elastic IP", "describe_addresses", "Addresses", "AllocationId", "release_address", "AllocationId"),
    _Kind(
        "launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId",
        "delete_launch_template", "LaunchTemplateId",
    ),
    _Kind(
        "placement group", "describe_placement_groups", "PlacementGroups", "GroupName", "delete_placement_group",
        "GroupName", gone=frozenset({"deleted", "deleting"}),
    ),
    _Kind("key pair", "describe_key_pairs", "KeyPairs", "KeyName", "delete_key_pair", "KeyName"),
    _Kind(
        "security group", "describe_security_groups", "SecurityGroups", "GroupId", "delete_security_group", "GroupId"
    ),
    _Kind("subnet", "describe_subnets", "Subnets", "SubnetId", "delete_subnet", "SubnetId"),
    _Kind("route table", "describe_route_tables", "RouteTables", "RouteTableId", "delete_route_table", "RouteTableId"),
    _Kind(
        "internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId",
        "delete_internet_gateway", "InternetGatewayId",
    ),
    _Kind("VPC", "describe_vpcs", "Vpcs", "VpcId", "delete_vpc", "VpcId"),
]  # fmt: skip


def find(session: Session, cluster: str) -> list[Found]:
    """Everything that still exists for the cluster, over every service that a cluster uses."""
    with aws_errors("sweeping for leftovers"):
        found = list(_groups(session, cluster))
        for kind in _EC2:
            found += [Found(kind.name, id) for id in _ec2(session, kind, cluster)]
        found += _buckets(session, cluster)
        found += _identities(session, cluster)
        found += _stacks(session, cluster)
        found += _others(session, cluster)
    return found


@dataclass(frozen=True)
class Swept:
    """The outcome of a sweep: deleted now, left although deletion was tried, kept because it was asked for."""

    removed: list[Found]
    left: list[Found]
    kept: list[Found]


def remove(session: Session, cluster: str, *, keep: Collection[str] = (), passes: int = 20) -> Swept:
    """Delete what `find` finds, except the kinds in `keep`, again and again while that helps."""
    before = find(session, cluster)
    kept = [item for item in before if item.kind in keep]
    left = [item for item in before if item.kind not in keep]
    for _ in range(passes):
        if not left:
            break
        for item in left:
            _delete(session, item)
        time.sleep(session.poll)
        left = [item for item in find(session, cluster) if item.kind not in keep]
    return Swept([item for item in before if item not in left and item not in kept], left, kept)


def _filter(cluster: str) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{CLUSTER_TAG}", "Values": [cluster]}]


def _ec2(session: Session, kind: _Kind, cluster: str) -> Iterator[str]:
    client = session.client("ec2")
    operation = kind.operation
    if client.can_paginate(operation):
        pages = client.get_paginator(operation).paginate(Filters=_filter(cluster))
    else:
        pages = [getattr(client, operation)(Filters=_filter(cluster))]
    for page in pages:
        rows = page[kind.rows]
        if kind.name == "instance":
            rows = [row for group in rows for row in group["Instances"]]
        for row in rows:
            # The filter is the service's business; what may be deleted is ours. So the tag is read once more here.
            tags = row.get("Tags") or row.get("TagSet") or []
            if {"Key": CLUSTER_TAG, "Value": cluster} in tags and _state(row) not in kind.gone:
                yield row[kind.key]


def _state(row: dict[str, Any]) -> str:
    state = row.get("State", "")
    return state if isinstance(state, str) else state.get("Name", "")


def _groups(session: Session, cluster: str) -> Iterator[Found]:
    pages = session.client("autoscaling").get_paginator("describe_auto_scaling_groups")
    for page in pages.paginate(Filters=_filter(cluster)):
        for row in page["AutoScalingGroups"]:
            yield Found("auto scaling group", row["AutoScalingGroupName"])


def _buckets(session: Session, cluster: str) -> Iterator[Found]:
    from botocore.exceptions import ClientError

    client = session.client("s3")
    for row in client.list_buckets()["Buckets"]:
        if not row["Name"].startswith(f"dlcluster-{cluster}-"):
            continue
        try:
            tags = client.get_bucket_tagging(Bucket=row["Name"])["TagSet"]
        except ClientError as error:
            if error_code(error) in {"NoSuchTagSet", "NoSuchBucket"}:
                continue
            raise
        if {"Key": CLUSTER_TAG, "Value": cluster} in tags:
            yield Found("bucket", row["Name"])


def _identities(session: Session, cluster: str) -> Iterator[Found]:
    # Instance profiles take no tags from a stack, so both kinds go by the names that CloudFormation gives:
    # <stack>-<LogicalId>-<random>. A logical id starts with a capital, a cluster name has none.
    ours = re.compile(rf"dlcluster-{re.escape(cluster)}-[A-Z][A-Za-z0-9]*-[A-Za-z0-9]+")
    client = session.client("iam")
    for page in client.get_paginator("list_instance_profiles").paginate():
        for row in page["InstanceProfiles"]:
            if ours.fullmatch(row["InstanceProfileName"]):
                yield Found("instance profile", row["InstanceProfileName"])
    for page in client.get_paginator("list_roles").paginate():
        for row in page["Roles"]:
            if ours.fullmatch(row["RoleName"]):
                yield Found("role", row["RoleName"])


def _stacks(session: Session, cluster: str) -> Iterator[Found]:
    client = session.client("cloudformation")
    for page in client.get_paginator("describe_stacks").paginate():
        for row in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", [])}
            if tags.get(CLUSTER_TAG) == cluster or row["StackName"] == f"dlcluster-{cluster}":
                yield Found("stack", row["StackName"])


# Services that the lists above ask directly; the tagging service repeats them, with hours of delay.
_ASKED = ("ec2", "autoscaling", "s3", "iam", "cloudformation")


def _others(session: Session, cluster: str) -> Iterator[Found]:
    pages = session.client("resourcegroupstaggingapi").get_paginator("get_resources")
    for page in pages.paginate(TagFilters=[{"Key": CLUSTER_TAG, "Values": [cluster]}]):
        for row in page["ResourceTagMappingList"]:
            arn = row["ResourceARN"]
            if arn.split(":")[2] not in _ASKED:
                yield Found(f"{arn.split(':')[2]} resource", arn)


def _delete(session: Session, item: Found) -> None:
    """Try to delete one thing. What refuses now (still in use) is found again and tried again."""
    from botocore.exceptions import ClientError

    try:
        _DELETERS.get(item.kind, _delete_ec2)(session, item)
    except ClientError:
        return


def _delete_ec2(session: Session, item: Found) -> None:
    kind = next((kind for kind in _EC2 if kind.name == item.kind), None)
    if kind is None:
        return
    client = session.client("ec2")
    if item.kind == "internet gateway":
        for row in client.describe_internet_gateways(InternetGatewayIds=[item.id])["InternetGateways"]:
            for attachment in row["Attachments"]:
                client.detach_internet_gateway(InternetGatewayId=item.id, VpcId=attachment["VpcId"])
    getattr(client, kind.delete)(**{kind.argument: [item.id] if kind.many else item.id})


def _delete_group(session: Session, item: Found) -> None:
    session.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=item.id, ForceDelete=True)


def _delete_bucket(session: Session, item: Found) -> None:
    Store(session, item.id).delete()
    session.client("s3").delete_bucket(Bucket=item.id)


def _delete_profile(session: Session, item: Found) -> None:
    client = session.client("iam")
    profile = client.get_instance_profile(InstanceProfileName=item.id)["InstanceProfile"]
    for role in profile["Roles"]:
        client.remove_role_from_instance_profile(InstanceProfileName=item.id, RoleName=role["RoleName"])
    client.delete_instance_profile(InstanceProfileName=item.id)


def _delete_role(session: Session, item: Found) -> None:
    client = session.client("iam")
    for name in client.list_role_policies(RoleName=item.id)["PolicyNames"]:
        client.delete_role_policy(RoleName=item.id, PolicyName=name)
    for policy in client.list_attached_role_policies(RoleName=item.id)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=item.id, PolicyArn=policy["PolicyArn"])
    client.delete_role(RoleName=item.id)


def _delete_stack(session: Session, item: Found) -> None:
    session.client("cloudformation").delete_stack(StackName=item.id)


_DELETERS: dict[str, Callable[[Session, Found], None]] = {
    "auto scaling group": _delete_group,
    "bucket": _delete_bucket,
    "instance profile": _delete_profile,
    "role": _delete_role,
    "stack": _delete_stack,
}
