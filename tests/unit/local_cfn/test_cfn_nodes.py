"""Stacks whose instances are real nodes: nothing is complete before they are up."""

from __future__ import annotations

from typing import Any

NODES = True


def states(account: Any) -> set[str]:
    return {instance.state for instance in account.emulator.compute.instances() if instance.state != "terminated"}


def bring_up(account: Any, state: str = "running") -> None:
    for instance in account.emulator.compute.instances():
        if instance.state == "pending":
            account.emulator.compute.set_state(instance.id, state)


def test_a_stack_waits_for_its_nodes_and_goes_with_them(account: Any, cluster: dict[str, Any]) -> None:
    before = account.sweep()
    stack_id = account.begin("real", cluster)
    account.until(lambda: len(account.emulator.compute.instances()) == 3)
    assert account.cf.describe_stacks(StackName="real")["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    waiting = {row["LogicalResourceId"]: row["ResourceStatus"] for row in
               account.cf.describe_stack_resources(StackName="real")["StackResources"]}  # fmt: skip
    assert (waiting["Head"], waiting["Workers"]) == ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS")
    bring_up(account)
    assert account.settled(stack_id)["StackStatus"] == "CREATE_COMPLETE"
    assert account.delete(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert account.sweep() == before


def test_a_node_that_dies_at_birth_fails_its_instance(account: Any, cluster: dict[str, Any]) -> None:
    del cluster["Resources"]["Workers"], cluster["Outputs"]["Workers"]
    stack_id = account.begin("dies", cluster)
    account.until(lambda: "pending" in states(account))
    bring_up(account, "terminated")
    assert account.settled(stack_id)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "failed to reach the running state: terminated" in account.reasons(stack_id)["Head"]
    account.delete(stack_id)


def test_a_creation_can_be_deleted_while_its_nodes_boot(account: Any, cluster: dict[str, Any]) -> None:
    before = account.sweep()
    stack_id = account.begin("early", cluster)
    account.until(lambda: "pending" in states(account))
    assert account.delete(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert account.sweep() == before
