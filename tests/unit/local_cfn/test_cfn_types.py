"""Templates of many kinds: they deploy as they say, and leave nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlcluster.local.aws.cloudformation import body

TEMPLATES = sorted((Path(__file__).parent / "templates").glob("*.yaml"))
TAGS = [{"Key": "owner", "Value": "me"}]


def read(name: str) -> Any:
    return (Path(__file__).parent / "templates" / f"{name}.yaml").read_text()


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


@pytest.fixture
def deploy(account: Any) -> Any:
    """Create stacks; each is deleted afterwards, and nothing is left."""
    before, made = account.sweep(), []

    def create(name: str, template: Any, **options: Any) -> dict[str, Any]:
        stack = account.create(name, template, Tags=TAGS, **options)
        made.append(stack["StackId"])
        assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
        return {**stack, "Ids": account.resources(stack["StackId"])}

    yield create
    for stack_id in made:
        assert account.delete(stack_id)["StackStatus"] == "DELETE_COMPLETE", account.reasons(stack_id)
    assert account.sweep() == before


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_deploys_and_leaves_nothing(deploy: Any, account: Any, path: Path) -> None:
    stack = deploy(path.stem.replace("_", "-"), path.read_text())
    declared = body.load(path.read_text())["Resources"]
    without_condition = {name for name, item in declared.items() if "Condition" not in item}
    assert without_condition <= stack["Ids"].keys()
    assert all(row["OutputValue"] for row in stack["Outputs"])
