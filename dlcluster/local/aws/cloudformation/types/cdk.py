"""What the AWS CDK adds to every template."""

from __future__ import annotations

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, names


class CdkMetadata(Kind):
    """It tells which constructs a template was made of, and is nothing on AWS either."""

    name = "AWS::CDK::Metadata"
    properties = mutable = names("Analytics Modules")

    def create(self, x: Step) -> None:
        x.made(x.unique_name())

    def update(self, x: Step) -> None:
        """Nothing outside the stack."""

    def delete(self, x: Step) -> None:
        """Nothing outside the stack."""
