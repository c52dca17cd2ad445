"""The operations of CloudFormation: create, update, delete and what steers them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation import request
from dlcluster.local.aws.cloudformation.api_changes import ChangeSets
from dlcluster.local.aws.cloudformation.api_reads import Reads
from dlcluster.local.aws.cloudformation.changes import compute
from dlcluster.local.aws.cloudformation.delete import Delete
from dlcluster.local.aws.cloudformation.deploy import Create
from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Options, Signal, Stack, Target, now
from dlcluster.local.aws.cloudformation.operation import Operation, explain
from dlcluster.local.aws.cloudformation.registry import missing
from dlcluster.local.aws.cloudformation.rollback import RollBackCreation, RollBackUpdate
from dlcluster.local.aws.cloudformation.signals import report
from dlcluster.local.aws.cloudformation.types.base import Failed
from dlcluster.local.aws.cloudformation.update import ResumeRollback, Update
from dlcluster.local.aws.query import AwsError, Context, Response
from dlcluster.local.aws.routing import WAIT_CONDITION_PATH
from dlcluster.local.aws.snapshot import Busy, held

if TYPE_CHECKING:
    from dlcluster.local.aws.front import Emulator

BUSY = "_IN_PROGRESS"
MAX_STACKS = 2000
UPDATABLE = ("CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE")


class CloudFormation(ChangeSets, Reads):
    """The service of one emulated account."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)

    def close(self) -> None:
        self.registry.closed.set()

    @contextmanager
    def quiet(self, *, strict: bool = True) -> Iterator[None]:
        with held(self.registry.changing):
            busy = [stack.name for stack in self.registry.running()]
            if strict and busy:
                raise Busy(f"operations run on the stacks {', '.join(busy)}")
            yield

    def restored(self) -> None:
        """An operation ends with its process: the stack says so, and can be deleted or updated again."""
        for stack in self.registry.alive():
            if stack.status.endswith(BUSY) and stack.status != "REVIEW_IN_PROGRESS":
                stack.interrupt("The embedded cloud was stopped during this operation")

    def create_stack(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Begin a stack; the answer is held for a moment, so that a waiter's first look finds it done."""
        region, name = context.region, params["StackName"]
        request.check_name(name)
        request.refuse_unsupported(params)
        with self.registry.changing:
            stack = self.registry.live(region, name)
            if stack is not None:
                if stack.repeats("CreateStack", params):
                    return {"StackId": stack.id}
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
            policy = request.policy(params, "StackPolicy", self.clients(region))
            target = request.target(params, None, self.clients(region))
            options = Options(_on_failure(params), params.get("TimeoutInMinutes"))
            stack = self.begin_creation(region, name, target, params, options)
            stack.protected = bool(params.get("EnableTerminationProtection"))
            stack.policy = policy
        self.hold(stack.operation, context)
        return {"StackId": stack.id}

    def begin_creation(
        self,
        region: str,
        name: str,
        target: Target,
        params: dict[str, Any],
        options: Options,
        parent: Stack | None = None,
    ) -> Stack:
        """Set the creation of a stack going; parent: the stack that it is a resource of."""
        if sum(stack.region == region for stack in self.registry.alive()) >= MAX_STACKS:
            raise AwsError("LimitExceededException", "Limit for stack has been exceeded")
        stack = self.registry.add(region, name, target)
        if parent:
            stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id
        stack.begin("CreateStack", params, options)
        try:
            operation = Create(self.registry, stack, target)
        except AwsError:
            self.registry.forget(stack)
            raise
        stack.set_status("CREATE_IN_PROGRESS", "User Initiated")
        operation.start()
        return stack

    def update_stack(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Begin an update. Raises AwsError(ValidationError) when nothing would change."""
        request.refuse_unsupported(params)
        with self.registry.changing:
            stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
            if stack.repeats("UpdateStack", params):
                return {"StackId": stack.id}
            self.check_updatable(stack)
            target = request.target(params, stack, self.clients(context.region))
            self.check_change(stack, target)
            operation = self.update_to(stack, target)
            during = request.policy(params, "StackPolicyDuringUpdate", self.clients(context.region))
            stack.policy = request.policy(params, "StackPolicy", self.clients(context.region)) or stack.policy
            operation.policy = during
            stack.begin("UpdateStack", params, Options(_on_failure(params)))
            self.begin_update(stack, operation)
        self.hold(operation, context)
        return {"StackId": stack.id}

    def check_change(self, stack: Stack, target: Target) -> None:
        """Raises AwsError when nothing would change, or when that cannot be told."""
        try:
            changes = compute(Operation(self.registry, stack), stack, target, new=False)
        except (Failed, ClientError) as problem:
            raise error(explain(problem)) from None
        if changes.empty and not changes.problems:
            raise error("No updates are to be performed.")

    def delete_stack(self, params: dict[str, Any], context: Context) -> None:
        """Begin the deletion; a stack that does not exist is no error."""
        request.refuse_unsupported(params)
        with self.registry.changing:
            try:
                stack = self.registry.find(context.region, params["StackName"])
            except AwsError:
                return
            operation = self.begin_deletion(stack, params)
        if operation:
            self.hold(operation, context)

    def begin_deletion(self, stack: Stack, params: dict[str, Any]) -> Delete | None:
        """Set the deletion going; None when there is nothing to begin."""
        if stack.gone or stack.repeats("DeleteStack", params) or stack.status == "DELETE_IN_PROGRESS":
            return None
        if stack.protected:
            raise error(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if stack.status.startswith("UPDATE_") and stack.status.endswith(BUSY):
            raise error(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
        retain = frozenset(params.get("RetainResources") or ())
        if retain and stack.status != "DELETE_FAILED":
            raise error("Invalid operation on stack [" + stack.id + "]. Specify which resources to retain only when "
                        "the stack is in the DELETE_FAILED state.")  # fmt: skip
        unknown = sorted(retain - stack.resources.keys())
        if unknown:
            raise error(f"The specified resources to retain do not exist: [{', '.join(unknown)}]")
        with stack.lock:
            previous = stack.operation if stack.status.endswith(BUSY) else None
            if previous is not None:
                previous.superseded = True
                previous.stopped.set()
            stack.begin("DeleteStack", params, Options())
            before = stack.status
            stack.set_status("DELETE_IN_PROGRESS", "User Initiated")
        operation = Delete(self.registry, stack, retain, previous, before)
        operation.start()
        return operation

    def cancel_update_stack(self, params: dict[str, Any], context: Context) -> None:
        """Stop a running update; it rolls back."""
        stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
        if stack.repeats("CancelUpdateStack", params):
            return
        if stack.status != "UPDATE_IN_PROGRESS":
            raise error("CancelUpdateStack cannot be called from current stack status")
        stack.begin("CancelUpdateStack", params, stack.options)
        stack.operation.stopped.set()

    def continue_update_rollback(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Go on with a rollback that failed, leaving out ResourcesToSkip."""
        request.refuse_unsupported(params)
        with self.registry.changing:
            stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
            if stack.repeats("ContinueUpdateRollback", params):
                return {}
            if stack.status != "UPDATE_ROLLBACK_FAILED":
                raise error(f"Stack:{stack.id} is in {stack.status} state and can not continue rollback.")
            self.begin_resumption(stack, params)
        self.hold(stack.operation, context)
        return {}

    def begin_resumption(self, stack: Stack, params: dict[str, Any]) -> None:
        """Set the rest of a rollback going. Raises AwsError for what cannot be skipped."""
        last = stack.operation
        update = last.update if isinstance(last, ResumeRollback) else last
        skip = frozenset(params.get("ResourcesToSkip") or ())
        unknown = sorted(skip - stack.resources.keys())
        if unknown:
            raise error(f"The following resources to skip do not exist in stack {stack.name}: [{', '.join(unknown)}]")
        stack.begin("ContinueUpdateRollback", params, Options())
        operation = ResumeRollback(update, skip)
        stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        operation.start()

    def signal_resource(self, params: dict[str, Any], context: Context) -> None:
        """A node says that it is ready, or that it failed."""
        stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
        logical = params["LogicalResourceId"]
        resource = stack.resources.get(logical)
        if resource is None:
            raise error(f"Resource {logical} does not exist for stack {stack.name}")
        if not resource.status.endswith(BUSY):
            raise error(f"Signal for {logical} is not expected: it is in status {resource.status}")
        self.signal(stack, logical, Signal(params["UniqueId"], params["Status"] == "SUCCESS"))

    def respond(self, action: str, form: Mapping[str, str], context: Context, body: bytes = b"") -> Response:
        """The operations, and the plain PUT to the URL of a wait condition's handle."""
        if action != "SignalWaitCondition":
            return super().respond(action, form, context, body)
        try:
            stack, handle = self._handle(form)
            self.signal(stack, handle, report(body))
        except AwsError as problem:
            return self.error(problem, context)
        return Response(200, b"")

    def _handle(self, form: Mapping[str, str]) -> tuple[Stack, str]:
        """The stack and the URL of the handle that a path names."""
        arn, _, logical = form["Path"].removeprefix(WAIT_CONDITION_PATH).rpartition("/")
        stack = self.registry.find(arn.split(":")[3] if arn.count(":") == 5 else "", arn, deleted=False)
        url = f"{self.registry.emulator.endpoint}{WAIT_CONDITION_PATH}{quote(f'{arn}/{logical}', safe='')}"
        handle = stack.resources.get(logical)
        if handle is None or handle.physical_id != f"{url}?{form['Query']}":
            raise AwsError("AccessDenied", "Access Denied", 403)
        return stack, handle.physical_id

    def signal(self, stack: Stack, key: str, signal: Signal) -> None:
        """Record a signal once per unique id, for a resource (logical id) or a handle (its URL)."""
        with stack.lock:
            known = stack.signals[key]
            if all(item.unique_id != signal.unique_id for item in known):
                known.append(signal)

    def update_termination_protection(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Switch the protection on or off."""
        stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
        stack.protected = params["EnableTerminationProtection"]
        return {"StackId": stack.id}

    def set_stack_policy(self, params: dict[str, Any], context: Context) -> None:
        """From now on updates need what the policy allows; a policy cannot be taken away, only replaced."""
        stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
        policy = request.policy(params, "StackPolicy", self.clients(context.region))
        if policy is None:
            raise error("Either StackPolicyBody or StackPolicyURL must be specified")
        stack.policy = policy

    def get_stack_policy(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The policy's text as it was given."""
        stack = self.registry.find(context.region, params["StackName"], missing)
        return {"StackPolicyBody": stack.policy.body} if stack.policy else {}

    def rollback_stack(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Take back a creation or an update that failed and was left as it was."""
        request.refuse_unsupported(params)
        with self.registry.changing:
            stack = self.registry.find(context.region, params["StackName"], missing, deleted=False)
            if stack.repeats("RollbackStack", params):
                return {"StackId": stack.id}
            begun = {"CREATE_FAILED": "ROLLBACK", "UPDATE_FAILED": "UPDATE_ROLLBACK"}.get(stack.status)
            if begun is None:
                raise error(f"Stack:{stack.id} is in {stack.status} state and can not be rolled back.")
            kind = RollBackCreation if stack.status == "CREATE_FAILED" else RollBackUpdate
            operation = kind(self.registry, stack, stack.target)
            stack.begin("RollbackStack", params, Options())
            stack.set_status(f"{begun}_IN_PROGRESS", "User Initiated")
            operation.start()
        self.hold(operation, context)
        return {"StackId": stack.id, "OperationId": str(uuid.uuid4())}

    def check_updatable(self, stack: Stack) -> None:
        """Raises AwsError unless the stack is in a state from which it can be updated."""
        if stack.status not in UPDATABLE:
            raise error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")

    def update_to(self, stack: Stack, target: Target) -> Update:
        """An update that can begin."""
        return Update(self.registry, stack, target)

    def begin_update(self, stack: Stack, operation: Update) -> None:
        """Set an update going, under the stack's policy unless it brings one of its own."""
        operation.policy = operation.policy or stack.policy
        stack.updated = now()
        stack.signals.clear()
        stack.change_sets.clear()
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated")
        operation.start()


def _on_failure(params: dict[str, Any]) -> str:
    disabled, wanted = params.get("DisableRollback"), params.get("OnFailure")
    if disabled is not None and wanted:
        raise error("You cannot specify both DisableRollback and OnFailure")
    return wanted or ("DO_NOTHING" if disabled else "ROLLBACK")
