"""Roles with their policies, out of moto's IAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Role:
    """A role as permissions see it; policies are JSON. boundary: None where the role has no permissions boundary."""

    arn: str
    id: str
    tags: dict[str, str]
    policies: list[str]
    boundary: list[str] | None


def find_role(account_id: str, name: str | None) -> Role | None:
    """The role of a name, as it is now."""
    from moto.iam.models import iam_backends

    iam = iam_backends[account_id]["aws"]
    role = next((item for item in list(iam.roles.values()) if item.name == name), None)
    if role is None:
        return None
    boundary = None
    if role.permissions_boundary_arn:
        policy = iam.managed_policies.get(role.permissions_boundary_arn)
        boundary = [_document(policy)] if policy else []
    return Role(
        arn=role.arn,
        id=role.id,
        tags=dict(_tags(role.tags)),
        policies=[*map(_plain, role.policies.values()), *map(_document, role.managed_policies.values())],
        boundary=boundary,
    )


def _document(policy: Any) -> str:
    return _plain(next(item.document for item in policy.versions if item.version_id == policy.default_version_id))


def _plain(document: str) -> str:
    return unquote(document) if document.lstrip().startswith("%") else document


def _tags(tags: Any) -> list[tuple[str, str]]:
    if isinstance(tags, dict):
        return [(key, item["Value"] if isinstance(item, dict) else item) for key, item in tags.items()]
    return [(item["Key"], item["Value"]) for item in tags or []]
