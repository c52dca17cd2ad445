"""The unmodified AWS CLI deploys and deletes every template."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

AWS = shutil.which("aws")
TEMPLATES = sorted((Path(__file__).parent / "templates").glob("*.yaml"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed: pip install awscli"),
]


class Cli:
    """`aws` with the emulated account's settings and none of the user's."""

    def __init__(self, endpoint: str, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = {
            **kept,
            "HOME": str(home),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "user",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output; both streams when a failure was expected."""
        command = [str(AWS), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--output", "json"))


@pytest.fixture
def aws(account: Any, tmp_path: Path) -> Cli:
    return Cli(account.server.endpoint, tmp_path)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_the_cli_deploys_a_template_and_deletes_it_to_nothing(aws: Cli, account: Any, path: Path) -> None:
    before, name = account.sweep(), path.stem.replace("_", "-")
    deploy = ("cloudformation", "deploy", "--stack-name", name, "--template-file", str(path))
    options = ("--capabilities", "CAPABILITY_IAM", "--tags", "owner=me")
    aws(*deploy, *options)
    stack = aws.json("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Tags"] == [{"Key": "owner", "Value": "me"}]
    assert stack["Outputs"]
    aws("cloudformation", "delete-stack", "--stack-name", name)
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", name)
    assert account.sweep() == before


def test_the_cli_packages_and_deploys_stacks_within_stacks(aws: Cli, account: Any, tmp_path: Path) -> None:
    """`package` puts the inner template into a bucket and its URL into the outer one."""
    before = account.sweep()
    inner = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": {"Url": {"Value": {"Ref": "Queue"}}}}
    (tmp_path / "inner.json").write_text(json.dumps(inner))
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "inner.json"}}
    url = {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Url"]}}
    (tmp_path / "outer.json").write_text(json.dumps({"Resources": {"Inner": nested}, "Outputs": {"Url": url}}))
    aws("s3", "mb", "s3://artifacts")
    package = ("cloudformation", "package", "--s3-bucket", "artifacts", "--template-file", str(tmp_path / "outer.json"))
    aws(*package, "--output-template-file", str(tmp_path / "packed.yaml"))
    aws("cloudformation", "deploy", "--stack-name", "packed", "--template-file", str(tmp_path / "packed.yaml"))
    stack = aws.json("cloudformation", "describe-stacks", "--stack-name", "packed")["Stacks"][0]
    assert "packed-Inner-" in stack["Outputs"][0]["OutputValue"]
    aws("cloudformation", "delete-stack", "--stack-name", "packed")
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", "packed")
    aws("s3", "rb", "s3://artifacts", "--force")
    assert account.sweep() == before


def test_the_other_commands_of_the_cli_work_on_a_stack(aws: Cli, account: Any) -> None:
    path = next(path for path in TEMPLATES if path.stem == "s3_iam")
    aws("cloudformation", "validate-template", "--template-body", f"file://{path}")
    deploy = ("cloudformation", "deploy", "--stack-name", "looked-at", "--template-file", str(path))
    aws(*deploy, "--capabilities", "CAPABILITY_IAM")
    named = ("--stack-name", "looked-at")
    events = aws.json("cloudformation", "describe-stack-events", *named)["StackEvents"]
    resources = aws.json("cloudformation", "list-stack-resources", *named)["StackResourceSummaries"]
    assert len(events) == 3 * len(resources) + 3  # the change set's REVIEW_IN_PROGRESS, the stack's begin and end
    shown = aws(*deploy, "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset")
    assert "No changes to deploy" in shown
    aws("cloudformation", "delete-stack", *named)


def test_the_cli_shows_why_a_deployment_failed(aws: Cli, account: Any) -> None:
    path = str(next(path for path in TEMPLATES if path.stem == "deep_learning"))
    deploy = ("cloudformation", "deploy", "--stack-name", "old", "--template-file", path)
    options = ("--capabilities", "CAPABILITY_IAM", "--parameter-overrides")
    shown = aws(*deploy, *options, "Functions=true", code=255)
    assert "AWS::Lambda::Function (resource Function) is not supported by this endpoint: no function runs here" in shown
    aws("cloudformation", "delete-stack", "--stack-name", "old")
    shown = aws(*deploy, *options, "LaunchConfigurations=true", code=255)
    assert "Failed to create/update the stack" in shown
    events = aws("cloudformation", "describe-stack-events", "--stack-name", "old", "--output", "text")
    assert "The Launch Configuration creation operation is not available in your account" in events
    aws("cloudformation", "delete-stack", "--stack-name", "old")
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", "old")
