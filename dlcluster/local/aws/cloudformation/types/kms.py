"""Keys of KMS and their aliases."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags


class Key(Kind):
    name = "AWS::KMS::Key"
    properties = names(
        "Description EnableKeyRotation Enabled KeyPolicy KeySpec KeyUsage MultiRegion PendingWindowInDays "
        "RotationPeriodInDays Tags"
    )
    mutable = names(
        "Description EnableKeyRotation Enabled KeyPolicy PendingWindowInDays RotationPeriodInDays Tags"
    )  # a change of the others fails on AWS too

    def create(self, x: Step) -> None:
        answer = x.call(
            "kms",
            "create_key",
            **x.only("Description", "KeySpec", "KeyUsage", "MultiRegion"),
            Policy=x.get("KeyPolicy"),
            Tags=_rows(x.tags) or None,
        )
        x.made(answer["KeyMetadata"]["KeyId"], Arn=answer["KeyMetadata"]["Arn"])
        if x.flag("EnableKeyRotation"):
            self._rotate(x)
        if not x.flag("Enabled", True):
            x.call("kms", "disable_key", KeyId=x.physical_id)

    def _rotate(self, x: Step) -> None:
        on = x.flag("EnableKeyRotation")
        period = {"RotationPeriodInDays": x.get("RotationPeriodInDays")} if on else {}
        x.call("kms", f"{'enable' if on else 'disable'}_key_rotation", KeyId=x.physical_id, **period)

    def update(self, x: Step) -> None:
        key = {"KeyId": x.physical_id}
        if "Description" in x.changed:
            x.call("kms", "update_key_description", **key, Description=x.get("Description", ""))
        if "KeyPolicy" in x.changed and x.get("KeyPolicy"):
            x.call("kms", "put_key_policy", **key, PolicyName="default", Policy=x.get("KeyPolicy"))
        if "Enabled" in x.changed:
            x.call("kms", f"{'enable' if x.flag('Enabled', True) else 'disable'}_key", **key)
        if x.changed & names("EnableKeyRotation RotationPeriodInDays"):
            self._rotate(x)
        if "Tags" in x.changed:
            if removed_tags(x):
                x.call("kms", "untag_resource", **key, TagKeys=removed_tags(x))
            if x.tags:
                x.call("kms", "tag_resource", **key, Tags=_rows(x.tags))

    def delete(self, x: Step) -> None:
        """It is scheduled for deletion, and exists until then."""
        days = x.get("PendingWindowInDays", 30)
        try:
            with missing_is_fine():
                x.call("kms", "schedule_key_deletion", KeyId=x.physical_id, PendingWindowInDays=days)
        except ClientError as error:
            if error.response["Error"]["Code"] != "KMSInvalidStateException":  # it was scheduled before
                raise

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "KeyId" else x.memo.get(name)


class Alias(Kind):
    name = "AWS::KMS::Alias"
    properties = names("AliasName TargetKeyId")
    mutable = names("TargetKeyId")

    def create(self, x: Step) -> None:
        x.call("kms", "create_alias", **x.only("AliasName", "TargetKeyId"))
        x.made(str(x.get("AliasName")))

    def update(self, x: Step) -> None:
        x.call("kms", "update_alias", **x.only("AliasName", "TargetKeyId"))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("kms", "delete_alias", AliasName=x.physical_id)


def _rows(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
