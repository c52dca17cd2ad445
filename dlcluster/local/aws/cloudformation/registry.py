"""All stacks of the account, in every region, and what they export to each other."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Stack, Target
from dlcluster.local.aws.cloudformation.notices import Notices
from dlcluster.local.aws.query import AwsError

if TYPE_CHECKING:
    from dlcluster.local.aws.front import Emulator


def missing_with_id(name: str) -> AwsError:
    """As DescribeStacks says it."""
    return error(f"Stack with id {name} does not exist")


def missing(name: str) -> AwsError:
    """As most operations say it."""
    return error(f"Stack [{name}] does not exist")


class Registry:
    """Stacks by id. A deleted stack is found by its id alone."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.changing = threading.RLock()  # one operation at a time begins
        self._lock = threading.Lock()
        self.closed = threading.Event()  # the emulator ends: nobody waits any more
        self._stacks: dict[str, Stack] = {}
        self.service: Any = None  # CloudFormation itself, which begins stacks within stacks
        self._notices = Notices(emulator)

    def stacks(self, region: str) -> list[Stack]:
        """Newest first, deleted ones included."""
        with self._lock:
            return [stack for stack in reversed(self._stacks.values()) if stack.region == region]

    def alive(self) -> list[Stack]:
        """Every stack that is not deleted, in all regions."""
        with self._lock:
            return [stack for stack in self._stacks.values() if not stack.gone]

    def running(self) -> list[Stack]:
        """Stacks with an operation under way."""
        return [stack for stack in self.alive() if stack.operation and not stack.operation.done.is_set()]

    def find(
        self, region: str, name: str, otherwise: Callable[[str], AwsError] = missing, *, deleted: bool = True
    ) -> Stack:
        """The stack of a name or an id. Raises otherwise(name)."""
        for stack in self.stacks(region):
            if (stack.id == name and (deleted or not stack.gone)) or (stack.name == name and not stack.gone):
                return stack
        raise otherwise(name)

    def live(self, region: str, name: str) -> Stack | None:
        """The stack of a name, unless it was deleted."""
        return next((item for item in self.stacks(region) if item.name == name and not item.gone), None)

    def add(self, region: str, name: str, target: Target) -> Stack:
        """A new stack without a status."""
        account = self.emulator.account_id
        stack_id = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(name, stack_id, region, account, target, tell=self._notices.add)
        with self._lock:
            self._stacks[stack_id] = stack
        return stack

    def forget(self, stack: Stack) -> None:
        """Take back a stack that never began."""
        with self._lock:
            self._stacks.pop(stack.id, None)

    def exports(self, region: str) -> list[dict[str, Any]]:
        """Rows of ListExports."""
        return [
            {"ExportingStackId": stack.id, "Name": row["ExportName"], "Value": row["OutputValue"]}
            for stack in self.stacks(region)
            for row in stack.outputs
            if not stack.gone and row.get("ExportName")
        ]

    def export(self, region: str, name: str) -> dict[str, Any] | None:
        """One export."""
        return next((row for row in self.exports(region) if row["Name"] == name), None)

    def importers(self, region: str, name: str) -> list[str]:
        """Names of the stacks that import an export."""
        return [stack.name for stack in self.stacks(region) if not stack.gone and name in stack.imports]

    def check_exports(self, stack: Stack, rows: list[dict[str, Any]]) -> None:
        """Raises AwsError when new outputs export a taken name, or no longer export what others import."""
        names = {row["ExportName"]: row["OutputValue"] for row in rows if row.get("ExportName")}
        for name in names:
            taken = self.export(stack.region, name)
            if taken and taken["ExportingStackId"] != stack.id:
                raise error(f"Export with name {name} is already exported by stack {_stack_name(taken)}")
        for row in self.exports(stack.region):
            users = self.importers(stack.region, row["Name"])
            if row["ExportingStackId"] == stack.id and users and names.get(row["Name"]) != row["Value"]:
                verb = "updated" if row["Name"] in names else "deleted"
                raise error(f"Export {row['Name']} cannot be {verb} as it is in use by {' and '.join(users)}")

    def export_in_use(self, stack: Stack) -> tuple[str, str] | None:
        """(export, users) of a stack that others import from."""
        for row in stack.outputs:
            users = self.importers(stack.region, row.get("ExportName") or "")
            if users:
                return row["ExportName"], " and ".join(users)
        return None


def _stack_name(row: dict[str, Any]) -> str:
    return str(row["ExportingStackId"]).split("/")[1]
