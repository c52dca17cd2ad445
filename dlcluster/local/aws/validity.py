"""Requests that AWS refuses for what they say, whatever there is in the account, and moto would take."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError

_TRIED = ("RunInstances", "DescribeInstances")  # what these refuse, they refuse in a dry run too
_TAG_KEY = re.compile(r"Tag\.\d+\.Key$")
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def check(call: Call, environ: dict[str, Any]) -> None:
    """Raises AwsError."""
    if call.service == "ec2" and call.origin not in ("cloudformation", "autoscaling"):
        _tags(call)
    if test := _TESTS.get((call.service, call.action)):
        test(call, environ)
    if call.service == "ec2" and call.form.get("DryRun", "").lower() == "true" and call.action not in _TRIED:
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def _tags(call: Call) -> None:
    for name, key in call.form.items():
        if key[:4].lower() == "aws:" and _TAG_KEY.search(name):
            message = (
                f"Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for "
                "internal use"
            )
            raise AwsError("InvalidParameterValue", message)


def _trust(call: Call, _: dict[str, Any]) -> None:
    document = call.form.get("AssumeRolePolicyDocument") or call.form.get("PolicyDocument") or ""
    try:
        json.loads(document)
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None


def _retention(call: Call, _: dict[str, Any]) -> None:
    days = json.loads(call.body or b"{}").get("retentionInDays")
    if days not in _RETENTION:
        message = (
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member "
            f"must satisfy enum value set: [{', '.join(map(str, _RETENTION))}]"
        )
        raise AwsError("InvalidParameterException", message)


def _bucket(_: Call, environ: dict[str, Any]) -> None:
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    if not _BUCKET.fullmatch(name) or _ADDRESS.fullmatch(name):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.")


_TESTS: dict[tuple[str, str], Callable[[Call, dict[str, Any]], None]] = {
    ("iam", "CreateRole"): _trust,
    ("iam", "UpdateAssumeRolePolicy"): _trust,
    ("logs", "PutRetentionPolicy"): _retention,
    ("s3", "CreateBucket"): _bucket,
}
