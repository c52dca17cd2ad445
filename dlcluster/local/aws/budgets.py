"""AWS Budgets, held inert: nothing is spent here, so no budget ever notifies anybody."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dlcluster.local.aws.query import AwsError, Context, QueryService, page

PAGE = 100
_FOREVER = datetime(2087, 6, 15, tzinfo=UTC)  # the end that AWS gives a budget without one


@dataclass
class _Budget:
    row: dict[str, Any]
    notifications: list[tuple[dict[str, Any], list[dict[str, Any]]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Budgets(QueryService):
    """The service of one emulated account; budgets belong to no region."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("budgets")
        self._account = emulator.account_id
        self._lock = threading.RLock()
        self._budgets: dict[str, _Budget] = {}

    def create_budget(self, params: dict[str, Any], context: Context) -> None:
        self._check_account(params)
        row = params["Budget"]
        name = row["BudgetName"]
        budget = _Budget(_completed(row), tags={tag["Key"]: tag["Value"] for tag in params.get("ResourceTags") or []})
        for item in params.get("NotificationsWithSubscribers") or []:
            _notify(budget, item["Notification"], item["Subscribers"])
        with self._lock:
            if name in self._budgets:
                raise AwsError(
                    "DuplicateRecordException", f"Error creating budget: {name} - the budget already exists."
                )
            self._budgets[name] = budget

    def describe_budget(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Budget": self._find(params).row}

    def describe_budgets(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        self._check_account(params)
        with self._lock:
            budgets = [budget.row for budget in self._budgets.values()]
        rows, token = page(budgets, _name, params.get("NextToken"), params.get("MaxResults") or PAGE)
        return {"Budgets": rows, "NextToken": token}

    def update_budget(self, params: dict[str, Any], context: Context) -> None:
        name = params["NewBudget"]["BudgetName"]
        budget = self._find({**params, "BudgetName": name})
        budget.row = {**_completed(params["NewBudget"]), "CalculatedSpend": budget.row["CalculatedSpend"]}

    def delete_budget(self, params: dict[str, Any], context: Context) -> None:
        with self._lock:
            self._find(params)
            del self._budgets[params["BudgetName"]]

    def create_notification(self, params: dict[str, Any], context: Context) -> None:
        _notify(self._find(params), params["Notification"], params["Subscribers"])

    def delete_notification(self, params: dict[str, Any], context: Context) -> None:
        budget = self._find(params)
        budget.notifications.remove(_notification(budget, params["Notification"]))

    def describe_notifications_for_budget(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Notifications": [item for item, _ in self._find(params).notifications]}

    def describe_subscribers_for_notification(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        return {"Subscribers": _notification(self._find(params), params["Notification"])[1]}

    # -- tags -----------------------------------------------------------------------------------------

    def tag_resource(self, params: dict[str, Any], context: Context) -> None:
        tags = {tag["Key"]: tag["Value"] for tag in params["ResourceTags"]}
        self._by_arn(params["ResourceARN"]).tags.update(tags)

    def untag_resource(self, params: dict[str, Any], context: Context) -> None:
        budget = self._by_arn(params["ResourceARN"])
        for key in params["ResourceTagKeys"]:
            budget.tags.pop(key, None)

    def list_tags_for_resource(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        tags = self._by_arn(params["ResourceARN"]).tags
        return {"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # -- finding --------------------------------------------------------------------------------------

    def _check_account(self, params: dict[str, Any]) -> None:
        if params["AccountId"] != self._account:
            raise AwsError("AccessDeniedException", f"Account {params['AccountId']} is not the caller's own.")

    def _find(self, params: dict[str, Any]) -> _Budget:
        self._check_account(params)
        name = params["BudgetName"]
        with self._lock:
            if name not in self._budgets:
                raise AwsError("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
            return self._budgets[name]

    def _by_arn(self, arn: str) -> _Budget:
        return self._find({"AccountId": self._account, "BudgetName": arn.rpartition(":budget/")[2]})


def _name(row: dict[str, Any]) -> str:
    return str(row["BudgetName"])


def _completed(row: dict[str, Any]) -> dict[str, Any]:
    """With the values that AWS fills in."""
    now = datetime.now(UTC)
    period = {"Start": now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), "End": _FOREVER}
    nothing = {"ActualSpend": {"Amount": "0.0", "Unit": (row.get("BudgetLimit") or {}).get("Unit", "USD")}}
    return {
        "CalculatedSpend": nothing,
        **row,
        "TimePeriod": {**period, **(row.get("TimePeriod") or {})},
        "LastUpdatedTime": now,
    }


def _notify(budget: _Budget, notification: dict[str, Any], subscribers: list[dict[str, Any]]) -> None:
    if not subscribers:
        raise AwsError("InvalidParameterException", "A notification needs at least one subscriber.")
    if len(budget.notifications) >= 10:
        raise AwsError("CreationLimitExceededException", "A budget can have at most 10 notifications.")
    if any(item == notification for item, _ in budget.notifications):
        raise AwsError("DuplicateRecordException", "Duplicate notifications are not allowed.")
    budget.notifications.append((notification, subscribers))


def _notification(budget: _Budget, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    for row in budget.notifications:
        if all(row[0].get(key) == value for key, value in wanted.items()):
            return row
    raise AwsError("NotFoundException", "The notification doesn't exist.")
