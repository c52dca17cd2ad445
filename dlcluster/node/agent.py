"""A node's own line to AWS, with the standard library alone: metadata, its own tags, objects of the bucket.

`agent.py state HOST_KEY_FILE STATE | put BUCKET KEY PATH | get BUCKET KEY PATH`, or import it. Python 3.8+.
AWS_ENDPOINT_URL and AWS_EC2_METADATA_SERVICE_ENDPOINT are honoured, as by the AWS SDKs.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

TRANSIENT = {  # throttling, and what a fresh role or instance meets before all of AWS knows of it
    "AccessDenied",
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidInstanceID.NotFound",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "UnauthorizedOperation",
}
UNSIGNED = "UNSIGNED-PAYLOAD"


class AwsError(Exception):
    """A refused request: HTTP status, AWS's error code ('' where there is none) and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code = status, code


def metadata(path: str) -> str:
    """Text at a path of the instance metadata, such as 'meta-data/instance-id' (IMDSv2)."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    token = _send("PUT", base + "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, timeout=5)
    return _send("GET", base + "/latest/" + path, {"X-aws-ec2-metadata-token": token}, timeout=5)


def region() -> str:
    return metadata("meta-data/placement/region")


def credentials() -> dict[str, str]:
    """The role's keys: a dict with AccessKeyId, SecretAccessKey and Token."""
    path = "meta-data/iam/security-credentials/"
    role = metadata(path).split()[0]
    keys: dict[str, str] = json.loads(metadata(path + role))
    return keys


def tag(tags: dict[str, str]) -> None:
    """Put tags (a dict) on this instance, in one call. Text that EC2 does not admit is replaced."""

    def create_tags() -> None:
        where = region()
        form = {"Action": "CreateTags", "Version": "2016-11-15", "ResourceId.1": metadata("meta-data/instance-id")}
        for number, (key, value) in enumerate(sorted(tags.items()), 1):
            form[f"Tag.{number}.Key"] = key
            form[f"Tag.{number}.Value"] = tag_text(value)
        body = urlencode(form).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        digest = hashlib.sha256(body).hexdigest()
        url = _endpoint("ec2", where) + "/"
        _send("POST", url, sign("POST", url, headers, digest, credentials(), where, "ec2"), body)

    _patiently(create_tags, 300)  # a thousand nodes that boot at once are throttled for minutes


def tag_text(value: str) -> str:
    """The text as a tag value: at most 256 of the characters that every AWS service admits."""
    return " ".join(re.sub(r"[^A-Za-z0-9+=._:/@-]", " ", value).split())[:256].rstrip()


def put_object(bucket: str, key: str, path: str) -> None:
    """Store a file in S3, streamed; at most 5 GB, which is S3's limit for one request."""

    def put() -> None:
        with open(path, "rb") as body:
            size = str(os.fstat(body.fileno()).st_size)
            _s3("PUT", bucket, key, {"content-length": size}, body)

    _patiently(put, 60)


def get_object(bucket: str, key: str, path: str) -> None:
    """Fetch an object from S3 into a file, streamed. The file appears when it is complete."""

    def get() -> None:
        _s3("GET", bucket, key, {}, sink=path + ".part")
        os.replace(path + ".part", path)

    _patiently(get, 60)


def sign(
    method: str,
    url: str,
    headers: dict[str, str],
    digest: str,
    keys: dict[str, str],
    where: str,
    service: str,
    now: float | None = None,
) -> dict[str, str]:
    """The headers with AWS Signature Version 4 added. digest: SHA-256 of the body, or UNSIGNED for S3."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    parts = urlsplit(url)
    signed = dict(headers, host=parts.netloc)
    signed["x-amz-date"] = stamp
    if service == "s3":
        signed["x-amz-content-sha256"] = digest
    if keys.get("Token"):
        signed["x-amz-security-token"] = keys["Token"]
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    query = "&".join(sorted(parts.query.split("&")))
    request = "\n".join([method, parts.path or "/", query, lines, names, digest])
    scope = "/".join([stamp[:8], where, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + keys["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = _hmac(key, part).digest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, "
        f"SignedHeaders={names}, Signature={_hmac(key, text).hexdigest()}"
    )
    return signed


def _hmac(key: bytes, text: str) -> hmac.HMAC:
    return hmac.new(key, text.encode(), hashlib.sha256)


def _endpoint(service: str, where: str) -> str:
    suffix = "amazonaws.com.cn" if where.startswith("cn-") else "amazonaws.com"
    return os.environ.get("AWS_ENDPOINT_URL", f"https://{service}.{where}.{suffix}").rstrip("/")


def _s3(
    method: str,
    bucket: str,
    key: str,
    headers: dict[str, str],
    body: BinaryIO | None = None,
    sink: str = "",
) -> None:
    where = region()
    url = f"{_endpoint('s3', where)}/{bucket}/{quote(key, safe='/~')}"
    _send(method, url, sign(method, url, headers, UNSIGNED, credentials(), where, "s3"), body, sink, 300)


def _send(
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | BinaryIO | None = None,
    sink: str = "",
    timeout: float = 30,
) -> str:
    """One request; the answer's text, or AwsError. sink: path of a file that takes the answer instead."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout)
    try:
        target = parts.path + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        if answer.status < 300 and sink:
            with open(sink, "wb") as file:
                shutil.copyfileobj(answer, file)
            if answer.length:  # http.client ends a cut answer like a whole one
                raise OSError(f"{url}: {answer.length} bytes are missing")
            return ""
        text = answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    if answer.status >= 300:
        code, message = (re.search(f"<{name}>(.*?)</", text, re.S) for name in ("Code", "Message"))
        raise AwsError(answer.status, code.group(1) if code else "", message.group(1) if message else text[:200])
    return text


def _patiently(action: Callable[[], Any], seconds: float) -> Any:
    """Run the action until it succeeds, fails for good, or `seconds` are over; waits grow, with jitter."""
    deadline = time.monotonic() + seconds
    wait = 0.1
    while True:
        try:
            return action()
        except (AwsError, OSError, http.client.HTTPException) as error:
            if not _transient(error) or time.monotonic() + wait > deadline:
                raise
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(wait * 2, 15)


def _transient(error: Exception) -> bool:
    if isinstance(error, AwsError):
        no_role_yet = error.status == 404 and not error.code
        return error.status >= 500 or error.status == 429 or error.code in TRANSIENT or no_role_yet
    return not isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError))


def main(arguments: list[str]) -> None:
    command, *rest = arguments
    if command == "state":
        host_key_file, state = rest
        with open(host_key_file) as file:
            host_key = " ".join(file.read().split()[:2])
        tag({"dlcluster:host-key": host_key, "dlcluster:state": state})
    elif command in ("put", "get"):
        (put_object if command == "put" else get_object)(*rest)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
