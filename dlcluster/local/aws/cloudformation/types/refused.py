"""Resource types that this service knows and refuses, with the reason; what it does not know is refused without one."""

from __future__ import annotations

_NO_FUNCTIONS = "no function runs here"

REASONS = {
    "AWS::Lambda::Function": _NO_FUNCTIONS,
    "AWS::Lambda::Permission": _NO_FUNCTIONS,
    "AWS::Lambda::EventSourceMapping": _NO_FUNCTIONS,
    "AWS::CloudFormation::CustomResource": "no function runs here that could answer it",
    "AWS::CloudFormation::Macro": "transforms are not run here",
}


def reason(kind: str) -> str:
    """Why a type that AWS knows cannot be created here, or ""."""
    if kind.startswith("Custom::"):
        kind = "AWS::CloudFormation::CustomResource"
    return REASONS.get(kind, "")
