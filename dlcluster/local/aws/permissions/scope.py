"""A call and its surroundings: what conditions and resource names are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.routing import Call


@dataclass(frozen=True)
class Scope:
    """A call in its account. session_keys: the condition keys that every one of its needs has."""

    emulator: Any
    call: Call
    session_keys: dict[str, list[str]] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        return str(self.emulator.account_id)

    def ec2_tags(self, resource_id: str) -> dict[str, str]:
        """The tags of an EC2 resource."""
        return dict(self.emulator.backend.ec2(self.call.region).tags.get(resource_id, {}))

    def group_id(self, name: str) -> str:
        """The id inside the ARN of an Auto Scaling group; made up for one that does not exist."""
        asked = {"AutoScalingGroupNames": [name]}
        services = self.emulator.services["autoscaling"]
        service = next(item for item in services if item.implements("DescribeAutoScalingGroups"))
        groups = service.describe_auto_scaling_groups(asked, self._context())["AutoScalingGroups"]
        arn = groups[0]["AutoScalingGroupARN"] if groups else ""
        return arn.split(":")[6] if arn else "00000000-0000-0000-0000-000000000000"

    def stack_arn(self, name: str) -> str:
        """The ARN of a stack by its name; one that does not exist has an ARN of zeros."""
        if name.startswith("arn:"):
            return name
        found = self.emulator.services["cloudformation"][0].registry.live(self.call.region, name)
        nothing = "00000000-0000-0000-0000-000000000000"
        prefix = f"arn:aws:cloudformation:{self.call.region}:{self.account_id}:stack"
        return found.id if found else f"{prefix}/{name}/{nothing}"

    def _context(self) -> Any:
        from dlcluster.local.aws.query import Context

        call = self.call
        return Context("autoscaling", call.region, self.account_id, call.access_key, call.user_agent, "")


def request_keys(call: Call) -> dict[str, list[str]]:
    """The global condition keys of any request. The emulator's endpoint counts as TLS: it stands for AWS's own."""
    now = datetime.now(UTC)
    return {
        "aws:SecureTransport": ["true"],
        "aws:CurrentTime": [now.strftime("%Y-%m-%dT%H:%M:%SZ")],
        "aws:EpochTime": [str(int(now.timestamp()))],
        "aws:RequestedRegion": [call.region],
        "aws:UserAgent": [call.user_agent],
        "aws:ViaAWSService": ["false"],
        "aws:PrincipalIsAWSService": ["false"],
    }
