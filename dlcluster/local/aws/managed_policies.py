"""AWS's own managed policies, out of moto's data: each is there from the moment that a call names it.

All 1,600 of them at once would cost the start a second and every snapshot five megabytes; only a list of AWS's policies
needs them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from dlcluster.local.aws.routing import Call

_ARN = re.compile(r"arn:aws:iam::aws:policy(/(?:[\w.-]+/)*)([\w+=,.@-]+)")
_LISTS = ("ListPolicies", "GetAccountAuthorizationDetails")


def provide(account_id: str, call: Call) -> None:
    """Put the policies of AWS that a call of IAM names (or lists) where moto looks for them."""
    if call.service != "iam":
        return
    named = [found for found in map(_ARN.fullmatch, call.form.values()) if found]
    asks_for_all = call.action in _LISTS and call.form.get("Scope") != "Local"
    if not named and not asks_for_all:
        return
    from moto.iam.models import AWSManagedPolicy, iam_backends

    iam = iam_backends[account_id]["aws"]
    chosen = _all() if asks_for_all else _named([found[2] for found in named if found[0] not in iam.managed_policies])
    for name, data in chosen:
        policy = AWSManagedPolicy.from_data(name, account_id, "us-east-1", data)
        if policy.arn not in iam.managed_policies:
            iam.managed_policies[policy.arn] = policy
            iam.aws_managed_policies.append(policy)


def _named(names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read single policies out of the text of all: a hundred times faster than the whole."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data as text

    for name in names:
        for place in re.finditer(rf'^ *"{re.escape(name)}" *: *', text, re.MULTILINE):
            data, _ = json.JSONDecoder().raw_decode(text, place.end())
            if isinstance(data, dict) and "DefaultVersionId" in data:
                yield name, data


def _all() -> Iterator[tuple[str, dict[str, Any]]]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data as text

    yield from json.loads(text).items()
