"""What a call to S3 must be allowed to do.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
"""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

from dlcluster.local.aws.permissions.keys import Keys
from dlcluster.local.aws.permissions.policy import Need
from dlcluster.local.aws.permissions.scope import Scope

# Operations whose action has another name.
_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
_QUERY_KEYS = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}
_HEADER_KEYS = {
    f"HTTP_{name.upper().replace('-', '_')}": f"s3:{name}"
    for name in (
        "x-amz-acl",
        "x-amz-copy-source",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
    )
}
_KEYS = {"s3:resourceaccount", "s3:versionid", *_QUERY_KEYS.values(), *_HEADER_KEYS.values()}


def needs(scope: Scope, environ: dict[str, Any]) -> list[Need]:
    """Everything that must be allowed for an S3 call. A body that lists keys is read and put back."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    bucket, key = location(environ)
    keys = _keys(scope, query, environ)
    if scope.call.action == "DeleteObjects":
        return [Need(f"s3:{action}", _arn(bucket, name), keys) for action, name in _listed(environ)]
    action = _ACTIONS.get(scope.call.action, scope.call.action)
    if "versionId" in query and action in ("GetObject", "DeleteObject"):
        action += "Version"
    found = [Need(f"s3:{action}", _arn(bucket, key) if bucket else "*", keys)]
    if environ.get("HTTP_X_AMZ_TAGGING"):
        found.append(Need("s3:PutObjectTagging", _arn(bucket, key), keys))
    source = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).lstrip("/").partition("?")[0]
    return [*found, *([Need("s3:GetObject", f"arn:aws:s3:::{source}", keys)] if source else [])]


def listing(scope: Scope, bucket: str) -> Need:
    """Leave to list a bucket: without it nobody learns which objects do not exist."""
    return Need("s3:ListBucket", _arn(bucket), _keys(scope, {}, {}))


def location(environ: dict[str, Any]) -> tuple[str, str]:
    """Bucket and key of a request; the key is empty for a call on the bucket."""
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def _keys(scope: Scope, query: dict[str, str], environ: dict[str, Any]) -> Keys:
    values = {_QUERY_KEYS[name]: [value] for name, value in query.items() if name in _QUERY_KEYS}
    values |= {key: [environ[name]] for name, key in _HEADER_KEYS.items() if name in environ}
    values |= {"s3:VersionId": [query["versionId"]]} if "versionId" in query else {}
    account = {"s3:ResourceAccount": [scope.account_id], "aws:ResourceAccount": [scope.account_id]}
    return Keys("s3", {**scope.session_keys, **account, **values}, _KEYS)


def _arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _listed(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """Action and key of every object that a DeleteObjects call lists."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    found = []
    for item in ElementTree.fromstring(body).findall("{*}Object"):
        versioned = item.findtext("{*}VersionId")
        found.append(("DeleteObjectVersion" if versioned else "DeleteObject", item.findtext("{*}Key") or ""))
    return found
