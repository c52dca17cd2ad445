"""Eventual consistency: what was just created is unknown to other calls, or missing from their lists, for a while.

Source: https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
"""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from dlcluster.local.aws.backend import Answer
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError

_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
# By the action that creates: the element of its answer that holds the new id, and the error for an unknown id.
_EC2 = {
    "RunInstances": ("instanceId", "InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "CreateVpc": ("vpcId", "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "CreateSubnet": ("subnetId", "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"),
    "CreateSecurityGroup": ("groupId", "InvalidGroup.NotFound", "The security group '{}' does not exist"),
    "CreateInternetGateway": (
        "internetGatewayId", "InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist"
    ),
    "CreateRouteTable": ("routeTableId", "InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "CreateVolume": ("volumeId", "InvalidVolume.NotFound", "The volume '{}' does not exist."),
    "CreateLaunchTemplate": (
        "launchTemplateId", "InvalidLaunchTemplateId.NotFound",
        "The specified launch template, with template ID {}, does not exist.",
    ),
    "AllocateAddress": ("allocationId", "InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"),
    "CreateNatGateway": ("natGatewayId", "NatGatewayNotFound", "The Nat Gateway {} was not found"),
    "CreateVpcEndpoint": ("vpcEndpointId", "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist"),
    "CreateNetworkInterface": (
        "networkInterfaceId", "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist"
    ),
}  # fmt: skip
# Lists whose rows vanish, beside those whose own id element is the one above.
_ROW_OF = {"DescribeTags": "resourceId", "DescribeInstanceStatus": "instanceId"}
_IAM = {
    "CreateRole": ("RoleName", "The role with name {} cannot be found."),
    "CreateInstanceProfile": ("InstanceProfileName", "Instance Profile {} cannot be found."),
}
_OWN = ("cloudformation", "autoscaling")


@dataclass(frozen=True)
class _Thing:
    """Something that nobody sees yet. element: that names it in lists of EC2, or the field of calls to IAM."""

    id: str
    service: str
    element: str
    error: AwsError
    until: float


class Hidden:
    """What is hidden now. CloudFormation and Auto Scaling see it at once: on AWS they wait until they do."""

    def __init__(self) -> None:
        self._things: dict[str, _Thing] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Everything is visible."""
        with self._lock:
            self._things.clear()

    def _note(self, call: Call, answer: Answer, seconds: float) -> None:
        """Hide what a call has created."""
        until = time.monotonic() + seconds
        things = []
        if call.service == "ec2" and call.action in _EC2:
            element, code, message = _EC2[call.action]
            for item in ElementTree.fromstring(answer.body).iter():
                if _plain(item.tag) == element and item.text:
                    error = AwsError(code, message.format(item.text))
                    things.append(_Thing(item.text, "ec2", element, error, until))
        elif call.service == "iam" and call.action in _IAM:
            field, message = _IAM[call.action]
            name = call.form[field]
            things.append(_Thing(name, "iam", field, AwsError("NoSuchEntity", message.format(name), 404), until))
        with self._lock:
            self._things |= {f"{thing.element} {thing.id}": thing for thing in things}

    def check(self, call: Call) -> None:
        """Raise what AWS answers to a call that names something hidden."""
        for thing in self._seen_by(call):
            if thing.service == call.service == "ec2" and _names(call, thing.id):
                raise thing.error
            if thing.service == call.service == "iam" and call.form.get(thing.element) == thing.id:
                raise thing.error
            if thing.element == "InstanceProfileName" and call.action == "RunInstances":
                self._check_profile(call, thing)

    @staticmethod
    def _check_profile(call: Call, thing: _Thing) -> None:
        name = call.form.get("IamInstanceProfile.Name") or call.form.get("IamInstanceProfile.Arn", "").split("/")[-1]
        if name == thing.id:
            message = f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
            raise AwsError("InvalidParameterValue", message + "Invalid IAM Instance Profile name")

    def filter(self, call: Call, answer: Answer, seconds: float = 0.0) -> Answer:
        """A list of EC2 without what is hidden. seconds: hide for so long what this call has created."""
        if seconds and answer.status < 400:
            self._note(call, answer, seconds)
        if call.service != "ec2" or not call.action.startswith("Describe") or answer.status >= 400:
            return answer
        things = [thing for thing in self._seen_by(call) if thing.service == "ec2"]
        if not things or not any(thing.id.encode() in answer.body for thing in things):
            return answer
        ElementTree.register_namespace("", _NAMESPACE)
        root = ElementTree.fromstring(answer.body)
        for thing in things:
            element = _ROW_OF.get(call.action, thing.element)
            if _lists(call.action, thing.element):
                _drop(root, element, thing.id)
        body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        return Answer(answer.status, headers, body)

    def _seen_by(self, call: Call) -> list[_Thing]:
        """What is hidden from the caller."""
        if not self._things or call.origin in _OWN:
            return []
        now = time.monotonic()
        with self._lock:
            self._things = {key: thing for key, thing in self._things.items() if thing.until > now}
            return list(self._things.values())


def _names(call: Call, id: str) -> bool:
    """Whether a call is about a thing; a filter finds nothing and is no error."""
    return any(held == id and not name.startswith("Filter.") for name, held in call.form.items())


def _lists(action: str, element: str) -> bool:
    """Whether the rows of a list are things that the element names (`DescribeVpcs`: `vpcId`)."""
    kind = element.removesuffix("Id")
    kind = {"group": "securityGroup", "allocation": "address"}.get(kind, kind)
    plural = kind + ("es" if kind.endswith("s") else "s")
    return action in _ROW_OF or action.lower() == f"describe{plural}".lower()


def _drop(root: ElementTree.Element, element: str, id: str) -> None:
    """Remove the rows whose own id this is, and the lists of rows that are empty then."""
    for parent in list(root.iter()):
        for item in list(parent):
            if _plain(item.tag) == "item" and any(_plain(c.tag) == element and c.text == id for c in item):
                parent.remove(item)
    for parent in list(root.iter()):  # a reservation without instances
        for item in list(parent):
            if any(_plain(c.tag) == "instancesSet" and len(c) == 0 for c in item):
                parent.remove(item)


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]
