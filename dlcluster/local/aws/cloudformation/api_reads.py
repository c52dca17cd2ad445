"""The operations of CloudFormation that change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlcluster.local.aws.cloudformation import request, template
from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Stack
from dlcluster.local.aws.cloudformation.operation import Operation
from dlcluster.local.aws.cloudformation.registry import Registry, missing_with_id
from dlcluster.local.aws.cloudformation.rows import (
    parameter_declarations,
    resource_row,
    resource_summary,
    stack_row,
    summary_row,
)
from dlcluster.local.aws.query import Context, QueryService, page

if TYPE_CHECKING:
    from dlcluster.local.aws.front import Emulator

PAGE = 100
HOLD_SECONDS, HOLD_CLI_SECONDS, HOLD_DEPLOY_SECONDS = 0.3, 1.0, 5.0


class Reads(QueryService):
    """Describe, list, get and validate."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__("cloudformation")
        self.registry = Registry(emulator)
        self.registry.service = self

    def clients(self, region: str) -> Callable[[str], Any]:
        """Clients to the other services, by name."""
        return lambda service: self.registry.emulator.client(service, region, "cloudformation")

    def hold(self, operation: Operation, context: Context, *, executing: bool = False) -> None:
        """Keep the caller waiting while the operation may end: waiters look once at once, then after 30 s.

        executing: a change set, as `aws cloudformation deploy` does it, which shows no progress anyway.
        """
        seconds = HOLD_SECONDS
        if "aws-cli" in context.user_agent:
            seconds = HOLD_DEPLOY_SECONDS if executing else HOLD_CLI_SECONDS
        operation.done.wait(seconds)

    def describe_stacks(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name = params.get("StackName")
        if name:
            return {"Stacks": [stack_row(self.registry.find(context.region, name, missing_with_id))]}
        stacks = [stack for stack in self.registry.stacks(context.region) if not stack.gone]
        rows, token = page(stacks, lambda stack: stack.id, params.get("NextToken"), PAGE)
        return {"Stacks": [stack_row(stack) for stack in rows], "NextToken": token}

    def list_stacks(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        wanted = params.get("StackStatusFilter")
        stacks = [item for item in self.registry.stacks(context.region) if not wanted or item.status in wanted]
        rows, token = page(stacks, lambda stack: stack.id, params.get("NextToken"), PAGE)
        return {"StackSummaries": [summary_row(stack) for stack in rows], "NextToken": token}

    def describe_stack_events(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Newest first; a page goes on after the event that ended the last one, whatever came since."""
        stack = self.registry.find(context.region, params["StackName"])
        with stack.lock:
            events = list(reversed(stack.events))
        rows, token = page(events, lambda event: event["EventId"], params.get("NextToken"), PAGE)
        return {"StackEvents": rows, "NextToken": token}

    def describe_stack_resources(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """By stack, or by a physical id alone."""
        physical, logical = params.get("PhysicalResourceId"), params.get("LogicalResourceId")
        if params.get("StackName"):
            stack = self.registry.find(context.region, params["StackName"], missing_with_id)
        elif physical:
            stack = self._owner(context.region, physical)
        else:
            raise error("You must specify either StackName or PhysicalResourceId")
        with stack.lock:
            rows = [
                resource_row(stack, item)
                for item in stack.resources.values()
                if item.status and logical in (None, item.logical_id) and physical in (None, item.physical_id)
            ]
        if logical and not rows:
            raise error(f"Resource {logical} does not exist for stack {stack.name}")
        return {"StackResources": rows[:100]}

    def _owner(self, region: str, physical_id: str) -> Stack:
        for stack in self.registry.stacks(region):
            if not stack.gone and any(item.physical_id == physical_id for item in stack.resources.values()):
                return stack
        raise error(f"Stack for {physical_id} does not exist")

    def describe_stack_resource(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name, logical = params["StackName"], params["LogicalResourceId"]
        stack = self.registry.find(context.region, name, lambda name: error(f"Stack '{name}' does not exist"))
        resource = stack.resources.get(logical)
        if resource is None or not resource.status:
            raise error(f"Resource {logical} does not exist for stack {stack.name}")
        row = resource_row(stack, resource)
        row["LastUpdatedTimestamp"] = row.pop("Timestamp")
        if resource.definition.metadata is not None:
            row["Metadata"] = json.dumps(resource.definition.metadata)
        return {"StackResourceDetail": row}

    def list_stack_resources(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        stack = self.registry.find(context.region, params["StackName"], missing_with_id)
        with stack.lock:
            resources = [item for item in stack.resources.values() if item.status]
        rows, token = page(resources, lambda item: item.logical_id, params.get("NextToken"), PAGE)
        return {"StackResourceSummaries": [resource_summary(item) for item in rows], "NextToken": token}

    def get_template(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The text as it was given (of a change set, too)."""
        if params.get("ChangeSetName"):
            body = self.find_change_set(params, context).target.template.body
        elif params.get("StackName"):
            body = self.registry.find(context.region, params["StackName"], missing_with_id).target.template.body
        else:
            raise error("StackName is required if ChangeSetName is not specified.")
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def find_change_set(self, params: dict[str, Any], context: Context) -> Any:
        """The change set that the parameters name."""
        raise NotImplementedError

    def get_template_summary(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        if params.get("StackName"):
            stack = self.registry.find(context.region, params["StackName"], missing_with_id)
            parsed = stack.target.template
        else:
            parsed = self._parse(params, context)
        needed, reason = parsed.capabilities()
        return {
            "Parameters": parameter_declarations(parsed),
            "Description": parsed.description or None,
            "Capabilities": needed,
            "CapabilitiesReason": reason or None,
            "ResourceTypes": sorted({item.type for item in parsed.resources.values()}),
            "Version": parsed.document.get("AWSTemplateFormatVersion"),
            "Metadata": json.dumps(parsed.section("Metadata")) if parsed.section("Metadata") else None,
        }

    def validate_template(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        parsed = self._parse(params, context)
        needed, reason = parsed.capabilities()
        rows = parameter_declarations(parsed)
        keys = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
        return {
            "Parameters": [{key: row[key] for key in keys} for row in rows],
            "Description": parsed.description or None,
            "Capabilities": needed,
            "CapabilitiesReason": reason or None,
        }

    def _parse(self, params: dict[str, Any], context: Context) -> template.Template:
        text = request.source(params, self.clients(context.region))
        if text is None:
            raise error("Either Template URL or Template Body must be specified.")
        return template.parse(text)

    def list_exports(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        exports = self.registry.exports(context.region)
        rows, token = page(exports, lambda row: row["Name"], params.get("NextToken"), PAGE)
        return {"Exports": rows, "NextToken": token}

    def list_imports(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        name = params["ExportName"]
        users = self.registry.importers(context.region, name)
        if not users:
            raise error(f"Export '{name}' is not imported by any stack.")
        rows, token = page(users, lambda user: user, params.get("NextToken"), PAGE)
        return {"Imports": rows, "NextToken": token}

    def describe_account_limits(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        limits = {"StackLimit": 2000, "StackOutputsLimit": template.MAX_OUTPUTS, "ConcurrentResourcesLimit": 2500}
        return {"AccountLimits": [{"Name": name, "Value": value} for name, value in limits.items()]}
