"""What every stack operation shares: clients, names, events, waiting for signals, removing resources."""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dlcluster.local.aws.cloudformation.executor import run_graph
from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Resource, Signal, Stack, failed
from dlcluster.local.aws.cloudformation.nested import Nested
from dlcluster.local.aws.cloudformation.plan import Identity
from dlcluster.local.aws.cloudformation.request import download
from dlcluster.local.aws.cloudformation.types import KINDS
from dlcluster.local.aws.cloudformation.types.base import Failed, Step
from dlcluster.local.aws.query import AwsError

if TYPE_CHECKING:
    from dlcluster.local.aws.cloudformation.registry import Registry

log = logging.getLogger(__name__)

_HANDLER_CODES = (
    ("AlreadyExists|Duplicate|EntityAlreadyExists|BucketAlready", "AlreadyExists"),
    ("NotFound|NoSuch|DoesNotExist", "NotFound"),
    ("Throttl|RequestLimitExceeded|SlowDown", "Throttling"),
    ("Unauthorized|AccessDenied|AuthFailure", "AccessDenied"),
    ("LimitExceeded|Quota", "ServiceLimitExceeded"),
    ("InsufficientInstanceCapacity|Internal|Unavailable|ServiceFailure", "ServiceInternalError"),
)
GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")


def explain(problem: Exception) -> str:
    """The reason of a failed resource, as CloudFormation words what a service answered."""
    if isinstance(problem, ClientError):
        response = problem.response
        code, message = response["Error"]["Code"], response["Error"]["Message"]
        service = vars(problem).get("service", problem.operation_name)
        metadata = response.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 400)
        request = metadata.get("RequestId", "")
        handler = next((name for pattern, name in _HANDLER_CODES if re.search(pattern, code)), "InvalidRequest")
        return (
            f'Resource handler returned message: "{message} (Service: {service}; Status Code: '
            f'{status}; Error Code: {code}; Request ID: {request}; Proxy: null)" (RequestToken: {uuid.uuid4()}, '
            f"HandlerErrorCode: {handler})"
        )
    if isinstance(problem, AwsError):
        return problem.message
    if isinstance(problem, Failed | BotoCoreError):
        return str(problem)
    return f"Internal Failure: {type(problem).__name__}: {problem}"


class Operation:
    """One run over a stack, in a thread of its own. It is the Host of the types and the Scope of the resolver."""

    resumes = False  # whether it goes on with a rollback that failed

    def __init__(self, registry: Registry, stack: Stack) -> None:
        self.registry = registry
        self.stack = stack
        self.region, self.account_id = stack.region, stack.account_id
        self.stack_name, self.stack_id = stack.name, stack.id
        self.endpoint = registry.emulator.endpoint
        self.imports: set[str] = set()
        self.secrets = stack.target.parameters.secrets()
        self.stopped = threading.Event()
        self.superseded = False
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"cloudformation-{stack.name}", daemon=True)

    @property
    def identity(self) -> Identity:
        return Identity(self.stack_name, self.stack_id, self.region, self.account_id)

    def start(self) -> None:
        """Begin; the stack's status is already the one of this operation."""
        self.stack.operation = self
        self.thread.start()

    def _run(self) -> None:
        try:
            self.run()
        except Exception as problem:
            log.exception("stack %s", self.stack.name)
            self.stack.set_status(failed(self.stack.status), explain(problem))
        finally:
            self.done.set()

    def run(self) -> None:
        """The operation itself."""
        raise NotImplementedError

    # -- Host ------------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        return self.registry.emulator.client(service, self.region, "cloudformation")

    def cancelled(self) -> bool:
        return self.stopped.is_set() or self.registry.closed.is_set()

    def signals(self, logical_id: str) -> list[Signal]:
        with self.stack.lock:
            return list(self.stack.signals[logical_id])

    def note(self, resource: Resource, text: str) -> None:
        """Tell how a resource gets on, by an event with its present status."""
        self.stack.set_resource(resource, resource.status, text, self.shown(resource))

    def update_policy(self, resource: Resource) -> dict[str, Any]:
        """The resource's UpdatePolicy, resolved; only deployments resolve."""
        return {}

    @property
    def nested(self) -> Nested:
        """The stacks within this stack."""
        return Nested(self.registry.service, self.stack)

    # -- Scope -----------------------------------------------------------------------------------------

    def template(self, url: str) -> str:
        return download(url, self.client)

    def ref(self, logical_id: str) -> Any:
        resource = self.stack.resources[logical_id]
        return KINDS[resource.type].ref(resource)

    def attribute(self, logical_id: str, name: str) -> Any:
        resource = self.stack.resources[logical_id]
        if name not in resource.attributes:
            value = KINDS[resource.type].attribute(Step(self, resource), name)
            if value is None:
                raise Failed(f"Attribute {name} of {resource.type} is not supported by this endpoint")
            resource.attributes[name] = value
        return resource.attributes[name]

    def zones(self, region: str) -> list[str]:
        client = self.registry.emulator.client("ec2", region, "cloudformation")
        return sorted(row["ZoneName"] for row in client.describe_availability_zones()["AvailabilityZones"])

    def imported(self, export: str) -> Any:
        row = self.registry.export(self.region, export)
        if row is None:
            raise error(f"No export named {export} found.")
        self.imports.add(export)
        return row["Value"]

    def secret(self, service: str, reference: str) -> str:
        if service != "ssm":
            raise error(f"Dynamic references to {service} are not supported by this endpoint: {reference}")
        try:
            return str(self.client("ssm").get_parameter(Name=reference)["Parameter"]["Value"])
        except ClientError:
            raise error(f"Unable to fetch parameters [{reference}] from parameter store for this account.") from None

    # -- events ----------------------------------------------------------------------------------------

    def shown(self, resource: Resource) -> str:
        """The properties of a resource for its events, secrets masked."""
        shown = json.dumps(resource.properties, default=str)
        for secret in self.secrets:
            shown = shown.replace(json.dumps(secret)[1:-1], "****")
        return shown

    # -- removing --------------------------------------------------------------------------------------

    def remove_all(
        self, resources: Iterable[Resource], policy: Callable[[Resource], str], *, attempts: int = 1
    ) -> list[str]:
        """Delete by reverse dependency; answer the logical ids that are still there.

        policy(resource): Delete, Retain or Snapshot. A resource that cannot be deleted protects only what it
        depends on.
        """
        by_key = {id(resource): resource for resource in resources}
        graph = {
            key: {other for other, user in by_key.items() if resource.logical_id in user.depends and other != key}
            for key, resource in by_key.items()
        }
        run_graph(graph, lambda key: self._remove(by_key[key], policy(by_key[key]), attempts))
        return [resource.logical_id for resource in by_key.values() if resource.status not in GONE]

    def _remove(self, resource: Resource, policy: str, attempts: int) -> bool:
        stack = self.stack
        if not resource.physical_id:
            stack.set_resource(resource, "DELETE_COMPLETE")
            return True
        if policy == "Retain":
            stack.set_resource(resource, "DELETE_SKIPPED")
            return True
        kind = KINDS[resource.type]
        reason = ""
        for _ in range(attempts):
            stack.set_resource(resource, "DELETE_IN_PROGRESS", properties=self.shown(resource))
            try:
                step = Step(self, resource)
                if policy == "Snapshot":
                    kind.snapshot(step)
                kind.delete(step)
            except Exception as problem:
                reason = explain(problem)
                stack.set_resource(resource, "DELETE_FAILED", reason, self.shown(resource))
            else:
                stack.set_resource(resource, "DELETE_COMPLETE", properties=self.shown(resource))
                return True
        return False


def delete_policy(resource: Resource) -> str:
    """What becomes of a resource that its stack no longer has."""
    policy = resource.definition.deletion_policy
    return "Retain" if policy == "RetainExceptOnCreate" else policy


def rollback_policy(resource: Resource) -> str:
    """What becomes of a resource whose creation is taken back."""
    return "Retain" if resource.definition.deletion_policy == "Retain" else "Delete"


def replace_policy(resource: Resource) -> str:
    """What becomes of a resource that another one has replaced."""
    return resource.definition.update_replace_policy
