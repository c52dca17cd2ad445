"""CloudFormation, served over the public API of the other services of the same endpoint."""

from dlcluster.local.aws.cloudformation.api import CloudFormation

__all__ = ["CloudFormation"]
