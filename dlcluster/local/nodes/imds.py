"""The instance metadata service of a node, version 2 only: a token first, then documents.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from dlcluster.local.nodes.layout import host_name

TOKEN = "x-aws-ec2-metadata-token"
TTL = "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TTL = 21600
VERSIONS = ("latest", "2021-07-15", "2022-09-24")
Document = bytes | Callable[[], bytes]


def documents(instance: Any, *, account_id: str, credentials: Callable[[], dict[str, Any]]) -> dict[str, Document]:
    """Path below the version -> contents, for an instance of the emulator's compute service."""
    zone = instance.availability_zone
    host = f"{host_name(instance.private_ip)}.ec2.internal"
    meta = {
        "ami-id": instance.image_id,
        "hostname": host,
        "instance-id": instance.id,
        "instance-type": instance.instance_type,
        "local-hostname": host,
        "local-ipv4": instance.private_ip,
        "placement/availability-zone": zone,
        "placement/region": instance.region,
        **({"public-ipv4": instance.public_ip} if instance.public_ip else {}),
    }
    identity = {
        "accountId": account_id,
        "architecture": "x86_64",
        "availabilityZone": zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "privateIp": instance.private_ip,
        "region": instance.region,
        "version": "2017-09-30",
    }
    found: dict[str, Document] = {f"meta-data/{key}": value.encode() for key, value in meta.items()}
    found["dynamic/instance-identity/document"] = json.dumps(identity, indent=2).encode()
    if instance.user_data:
        found["user-data"] = instance.user_data
    if instance.profile_arn:
        role = instance.profile_arn.rpartition("/")[2]
        found[f"meta-data/iam/security-credentials/{role}"] = lambda: role_document(credentials())
    return found


def role_document(credentials: Mapping[str, Any]) -> bytes:
    """The credentials of a role as the service words them. Expiration: a datetime or an ISO 8601 string."""
    expiration = credentials["Expiration"]
    if not isinstance(expiration, str):
        expiration = expiration.strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"Code": "Success", "Type": "AWS-HMAC", **credentials, "Expiration": expiration}
    return json.dumps(fields, indent=2).encode()


def lookup(found: Mapping[str, Document], path: str) -> Document | None:
    """A document, or the listing of a directory; None when there is neither."""
    path = path.strip("/")
    if path in found:
        return found[path]
    prefix = f"{path}/" if path else ""
    names = {name.removeprefix(prefix).partition("/")[:2] for name in found if name.startswith(prefix)}
    return "\n".join(sorted(map("".join, names))).encode() if names else None


class MetadataServer:
    """Answers on a node's own address. `describe` is asked at every request: tags and addresses may change."""

    def __init__(self, describe: Callable[[], Mapping[str, Document]]) -> None:
        self._describe = describe
        self._tokens: dict[str, float] = {}  # token -> expiry, monotonic
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> None:
        """Start to serve. Raises OSError when the address cannot be bound."""
        self._server = await asyncio.start_server(self._client, address, port)

    async def close(self) -> None:
        if self._server:
            self._server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            status, extra, body = await self._answer(method, unquote(target.partition("?")[0]), headers)
            lines = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: text/plain", "Server: EC2ws"]
            lines += [f"Content-Length: {len(body)}", "Connection: close", *extra, "", ""]
            writer.write("\r\n".join(lines).encode() + (b"" if method == "HEAD" else body))
            await writer.drain()
        writer.close()

    async def _answer(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, list[str], bytes]:
        version, _, path = path.lstrip("/").partition("/")
        if method == "PUT" and path == "api/token":
            return self._token(headers)
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, [], b""
        if self._tokens.get(headers.get(TOKEN, ""), 0) < time.monotonic():
            return HTTPStatus.UNAUTHORIZED, [], b""
        document = lookup(self._describe(), path) if version in VERSIONS else None
        if document is None:
            return HTTPStatus.NOT_FOUND, [], b""
        return HTTPStatus.OK, [], document if isinstance(document, bytes) else await asyncio.to_thread(document)

    def _token(self, headers: Mapping[str, str]) -> tuple[HTTPStatus, list[str], bytes]:
        ttl = headers.get(TTL, "")
        if "x-forwarded-for" in headers:
            return HTTPStatus.FORBIDDEN, [], b""
        if not ttl.isdecimal() or not 1 <= int(ttl) <= LONGEST_TTL:
            return HTTPStatus.BAD_REQUEST, [], b""
        now = time.monotonic()
        self._tokens = {token: expiry for token, expiry in self._tokens.items() if expiry >= now}
        token = secrets.token_urlsafe(40)
        self._tokens[token] = now + int(ttl)
        return HTTPStatus.OK, [f"{TTL}: {ttl}"], token.encode()
