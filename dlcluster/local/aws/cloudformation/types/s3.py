"""Buckets and bucket policies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, exists, missing_is_fine, names, tag_list

_PUBLIC_ACCESS = names("BlockPublicAcls BlockPublicPolicy IgnorePublicAcls RestrictPublicBuckets")


def _renamed(item: Mapping[str, Any], table: Mapping[str, str], where: str) -> dict[str, Any]:
    """Names of a template as the API calls them. Raises Failed for one that the table lacks."""
    extra = sorted(item.keys() - table.keys())
    if extra:
        raise Failed(f"Property {where}.{extra[0]} of AWS::S3::Bucket is not supported by this endpoint")
    return {table[name]: value for name, value in item.items()}


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        table = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault",
                 "BucketKeyEnabled": "BucketKeyEnabled"}  # fmt: skip
        rules.append(_renamed(rule, table, "BucketEncryption"))
    return {"ServerSideEncryptionConfiguration": {"Rules": rules}}


def _lifecycle(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"LifecycleConfiguration": {"Rules": [_rule(item) for item in value["Rules"]]}}


def _rule(item: Mapping[str, Any]) -> dict[str, Any]:
    table = {
        "Id": "ID",
        "Status": "Status",
        "Prefix": "Prefix",
        "TagFilters": "Tags",
        "ExpirationInDays": "Days",
        "ExpirationDate": "Date",
        "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
        "AbortIncompleteMultipartUpload": "AbortIncompleteMultipartUpload",
        "NoncurrentVersionExpiration": "NoncurrentVersionExpiration",
        "NoncurrentVersionExpirationInDays": "NoncurrentDays",
        "Transitions": "Transitions",
    }
    found = _renamed(item, table, "LifecycleConfiguration.Rules")
    rule: dict[str, Any] = {"Filter": _filter(found.pop("Prefix", ""), found.pop("Tags", []))}
    expiration = names("Days Date ExpiredObjectDeleteMarker") & found.keys()
    if expiration:
        rule["Expiration"] = {name: found.pop(name) for name in expiration}
    if "NoncurrentDays" in found:
        rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": found.pop("NoncurrentDays")}
    if "Transitions" in found:
        names_ = {"StorageClass": "StorageClass", "TransitionInDays": "Days", "TransitionDate": "Date"}
        where = "LifecycleConfiguration.Rules.Transitions"
        found["Transitions"] = [_renamed(part, names_, where) for part in found["Transitions"]]
    return {**rule, **found}


def _filter(prefix: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    if tags and (prefix or len(tags) > 1):
        return {"And": {"Prefix": prefix, "Tags": tags}}
    return {"Tag": tags[0]} if tags else {"Prefix": prefix}


def _public_access(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"PublicAccessBlockConfiguration": {name: value.get(name, False) for name in sorted(_PUBLIC_ACCESS)}}


def _cors(value: Mapping[str, Any]) -> dict[str, Any]:
    same = ("AllowedHeaders", "AllowedMethods", "AllowedOrigins")
    table = {"Id": "ID", "ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds", **{name: name for name in same}}
    rules = [_renamed(item, table, "CorsConfiguration.CorsRules") for item in value["CorsRules"]]
    return {"CORSConfiguration": {"CORSRules": rules}}


def _website(value: Mapping[str, Any]) -> dict[str, Any]:
    table = {name: name for name in ("IndexDocument", "ErrorDocument", "RedirectAllRequestsTo")}
    found = _renamed(value, table, "WebsiteConfiguration")
    for name, key in (("IndexDocument", "Suffix"), ("ErrorDocument", "Key")):
        if name in found:
            found[name] = {key: found[name]}
    return {"WebsiteConfiguration": found}


def _logging(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {"BucketLoggingStatus": {}}
    table = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}
    found = _renamed(value, table, "LoggingConfiguration")
    return {"BucketLoggingStatus": {"LoggingEnabled": {"TargetPrefix": "", **found}}}


def _acl(value: str | None) -> dict[str, Any]:
    """PublicRead is public-read."""
    return {"ACL": re.sub("(?<!^)(?=[A-Z])", "-", value or "Private").lower()}


def _notification(value: Mapping[str, Any] | None) -> dict[str, Any]:
    request: dict[str, Any] = {}
    for name, item in (value or {}).items():
        if name == "EventBridgeConfiguration":
            request[name] = {}
        elif name in ("TopicConfigurations", "QueueConfigurations"):
            kind = name.removesuffix("Configurations")
            request[name] = [_target(row, kind) for row in item]
        else:
            raise Failed(
                f"Property NotificationConfiguration.{name} of AWS::S3::Bucket is not supported by this endpoint"
            )
    return {"NotificationConfiguration": request}


def _target(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = {f"{kind}Arn": row[kind], "Events": [row["Event"]]}
    if "Filter" in row:
        found["Filter"] = {"Key": {"FilterRules": row["Filter"]["S3Key"]["Rules"]}}
    return found


# property: (operation that sets it, its request, operation that takes it away); "": the request of None does
_SETTINGS: dict[str, tuple[str, Callable[[Any], dict[str, Any]], str]] = {
    "BucketEncryption": ("put_bucket_encryption", _encryption, "delete_bucket_encryption"),
    "LifecycleConfiguration": ("put_bucket_lifecycle_configuration", _lifecycle, "delete_bucket_lifecycle"),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        lambda value: {"OwnershipControls": value},
        "delete_bucket_ownership_controls",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        _public_access,
        "delete_public_access_block",
    ),
    "VersioningConfiguration": (
        "put_bucket_versioning",
        lambda value: {"VersioningConfiguration": value or {"Status": "Suspended"}},
        "",
    ),
    "AccessControl": ("put_bucket_acl", _acl, ""),
    "CorsConfiguration": ("put_bucket_cors", _cors, "delete_bucket_cors"),
    "LoggingConfiguration": ("put_bucket_logging", _logging, ""),
    "NotificationConfiguration": ("put_bucket_notification_configuration", _notification, ""),
    "WebsiteConfiguration": ("put_bucket_website", _website, "delete_bucket_website"),
}


def _check_ownership(x: Step) -> None:
    """New buckets take no ACL unless their ownership says so."""
    rules = (x.get("OwnershipControls") or {}).get("Rules") or [{}]
    if rules[0].get("ObjectOwnership", "BucketOwnerEnforced") == "BucketOwnerEnforced":
        raise Failed("Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")


class Bucket(Kind):
    """A bucket that still holds objects cannot be deleted, as on AWS."""

    name = "AWS::S3::Bucket"
    properties = frozenset({"BucketName", "Tags", *_SETTINGS})
    mutable = properties - names("BucketName")
    system_tags = False  # the emulated S3 takes no aws: tags from anybody

    def taken(self, x: Step) -> str:
        """In us-east-1, to create a bucket of one's own again is no error."""
        bucket = x.get("BucketName")
        return bucket if bucket and exists(x, "s3", "head_bucket", Bucket=bucket) else ""

    def create(self, x: Step) -> None:
        bucket = x.get("BucketName") or x.unique_name(63, lower=True)
        place = None if x.host.region == "us-east-1" else {"LocationConstraint": x.host.region}
        x.call("s3", "create_bucket", Bucket=bucket, CreateBucketConfiguration=place)
        x.made(bucket)
        for name in _SETTINGS:
            if name in x.properties:
                self._set(x, name)
        if x.tags:
            self._tag(x)

    def _set(self, x: Step, name: str) -> None:
        operation, request, removal = _SETTINGS[name]
        if name == "AccessControl" and x.get(name, "Private") != "Private":
            _check_ownership(x)
        if name in x.properties:
            x.call("s3", operation, Bucket=x.physical_id, **request(x.get(name)))
        elif removal:
            x.call("s3", removal, Bucket=x.physical_id)
        else:
            x.call("s3", operation, Bucket=x.physical_id, **request(None))

    def _tag(self, x: Step) -> None:
        if x.tags:
            x.call("s3", "put_bucket_tagging", Bucket=x.physical_id, Tagging={"TagSet": tag_list(x.tags)})
        else:
            x.call("s3", "delete_bucket_tagging", Bucket=x.physical_id)

    def update(self, x: Step) -> None:
        for name in _SETTINGS:
            if name in x.changed:
                self._set(x, name)
        if "Tags" in x.changed:
            self._tag(x)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("s3", "delete_bucket", Bucket=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        bucket, region = x.physical_id, x.host.region
        return {
            "Arn": f"arn:aws:s3:::{bucket}",
            "DomainName": f"{bucket}.s3.amazonaws.com",
            "RegionalDomainName": f"{bucket}.s3.{region}.amazonaws.com",
            "DualStackDomainName": f"{bucket}.s3.dualstack.{region}.amazonaws.com",
            "WebsiteURL": f"http://{bucket}.s3-website-{region}.amazonaws.com",
        }.get(name)


class BucketPolicy(Kind):
    name = "AWS::S3::BucketPolicy"
    properties = names("Bucket PolicyDocument")
    mutable = names("PolicyDocument")

    def create(self, x: Step) -> None:
        self.update(x)
        x.made(x.get("Bucket"))

    def update(self, x: Step) -> None:
        x.call("s3", "put_bucket_policy", Bucket=x.get("Bucket"), Policy=x.get("PolicyDocument"))

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("s3", "delete_bucket_policy", Bucket=x.physical_id)
