"""Wait conditions: the stack goes on when somebody outside has reported often enough."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any
from urllib.parse import quote

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, names
from dlcluster.local.aws.routing import WAIT_CONDITION_PATH


class WaitConditionHandle(Kind):
    """Ref is the URL to which a report is PUT: {"Status": "SUCCESS", "UniqueId": .., "Reason": .., "Data": ..}."""

    name = "AWS::CloudFormation::WaitConditionHandle"

    def create(self, x: Step) -> None:
        key = quote(f"{x.host.stack_id}/{x.resource.logical_id}", safe="")
        x.made(f"{x.host.endpoint}{WAIT_CONDITION_PATH}{key}?token={secrets.token_urlsafe(16)}")

    def delete(self, x: Step) -> None:
        """Nothing outside the stack."""

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class WaitCondition(Kind):
    """Counts the reports to its handle; with a CreationPolicy it has no handle and counts signals instead."""

    name = "AWS::CloudFormation::WaitCondition"
    properties = mutable = names("Handle Timeout Count")

    def create(self, x: Step) -> None:
        x.made(f"{x.host.stack_id}/{x.resource.logical_id}")
        handle, wanted = x.get("Handle"), int(x.get("Count", 1))
        if handle is None:
            return
        if "Timeout" not in x.properties:
            raise Failed("Timeout is required for a WaitCondition with a Handle")
        deadline = time.monotonic() + float(x.get("Timeout"))
        x.wait(lambda: self._arrived(x, str(handle), wanted, deadline), "signals", seconds=float("inf"))

    def _arrived(self, x: Step, handle: str, wanted: int, deadline: float) -> bool:
        signals = x.host.signals(handle)
        for signal in signals:
            if not signal.success:
                reason = f"'{signal.reason}' for uniqueId: {signal.unique_id}"
                raise Failed(f"WaitCondition received failed message: {reason}")
        if len(signals) >= wanted:
            x.memo["Data"] = json.dumps({signal.unique_id: signal.data for signal in signals})
            return True
        if time.monotonic() > deadline:
            raise Failed(f"WaitCondition timed out. Received {len(signals)} conditions when expecting {wanted}")
        return False

    def update(self, x: Step) -> None:
        """As on AWS, a wait condition waits only when it is created."""

    def delete(self, x: Step) -> None:
        """Nothing outside the stack."""

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get("Data", "{}") if name == "Data" else x.physical_id
