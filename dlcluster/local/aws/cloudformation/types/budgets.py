"""Budgets."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags, tag_list


class Budget(Kind):
    name = "AWS::Budgets::Budget"
    properties = names("Budget NotificationsWithSubscribers ResourceTags")
    mutable = names("Budget ResourceTags")
    tag_property = "ResourceTags"

    def _budget(self, x: Step, name: str) -> dict[str, Any]:
        return {**x.get("Budget"), "BudgetName": name}

    def create(self, x: Step) -> None:
        name = x.get("Budget").get("BudgetName") or x.unique_name(100)
        x.call(
            "budgets",
            "create_budget",
            AccountId=x.host.account_id,
            Budget=self._budget(x, name),
            NotificationsWithSubscribers=x.get("NotificationsWithSubscribers"),
            ResourceTags=tag_list(x.tags) or None,
        )
        x.made(name)

    def update(self, x: Step) -> None:
        if "Budget" in x.changed:
            budget = self._budget(x, x.physical_id)
            x.call("budgets", "update_budget", AccountId=x.host.account_id, NewBudget=budget)
        if "ResourceTags" in x.changed:
            arn = f"arn:aws:budgets::{x.host.account_id}:budget/{x.physical_id}"
            if removed_tags(x):
                x.call("budgets", "untag_resource", ResourceARN=arn, ResourceTagKeys=removed_tags(x))
            if x.tags:
                x.call("budgets", "tag_resource", ResourceARN=arn, ResourceTags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("budgets", "delete_budget", AccountId=x.host.account_id, BudgetName=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None
