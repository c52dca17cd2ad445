"""Stacks, resources and parameters as the describe and list operations show them."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.model import Resource, Stack
from dlcluster.local.aws.cloudformation.parameters import declared
from dlcluster.local.aws.cloudformation.template import Template


def stack_row(stack: Stack) -> dict[str, Any]:
    """A row of DescribeStacks."""
    with stack.lock:
        return {
            "StackId": stack.id,
            "StackName": stack.name,
            "ChangeSetId": stack.change_set_id or None,
            "Description": stack.target.template.description or None,
            "Parameters": stack.target.parameters.rows(),
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "RollbackConfiguration": {},
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason or None,
            "DisableRollback": stack.options.on_failure == "DO_NOTHING",
            "NotificationARNs": list(stack.target.topics),
            "TimeoutInMinutes": stack.options.timeout_minutes,
            "Capabilities": list(stack.target.capabilities),
            "Outputs": [dict(row) for row in stack.outputs],
            "RoleARN": stack.target.role_arn or None,
            "Tags": [{"Key": key, "Value": value} for key, value in stack.target.tags.items()],
            "EnableTerminationProtection": stack.protected,
            "ParentId": stack.parent_id or None,
            "RootId": stack.root_id or None,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }


def summary_row(stack: Stack) -> dict[str, Any]:
    """A row of ListStacks."""
    with stack.lock:
        return {
            "StackId": stack.id,
            "StackName": stack.name,
            "TemplateDescription": stack.target.template.description or None,
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason or None,
            "ParentId": stack.parent_id or None,
            "RootId": stack.root_id or None,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        }


def resource_row(stack: Stack, resource: Resource) -> dict[str, Any]:
    """A row of DescribeStackResources."""
    return {
        "StackName": stack.name,
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type,
        "Timestamp": resource.changed_at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason or None,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def resource_summary(resource: Resource) -> dict[str, Any]:
    """A row of ListStackResources."""
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id or None,
        "ResourceType": resource.type,
        "LastUpdatedTimestamp": resource.changed_at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason or None,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def parameter_declarations(template: Template) -> list[dict[str, Any]]:
    """The parameters of GetTemplateSummary."""
    rows = []
    for name, item in declared(template).items():
        constraints = {"AllowedValues": [str(value) for value in item.get("AllowedValues") or []]}
        rows.append(
            {
                "ParameterKey": name,
                "DefaultValue": None if "Default" not in item else str(item["Default"]),
                "ParameterType": item["Type"],
                "NoEcho": str(item.get("NoEcho", False)).lower() == "true",
                "Description": item.get("Description"),
                "ParameterConstraints": constraints if constraints["AllowedValues"] else {},
            }
        )
    return rows
