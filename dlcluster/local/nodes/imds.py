"""The instance metadata service of a node: a token first, then documents.

Version 1 (no token) answers where the instance's metadata options say so.
Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from dlcluster.local.nodes.documents import Document, lookup

TOKEN = "x-aws-ec2-metadata-token"
TTL = "x-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TTL = 21600
VERSIONS = ("2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23", "2021-07-15", "2022-09-24", "latest")


class MetadataServer:
    """Answers on a node's own address. `describe` and `options` are asked at every request: all of it may change."""

    def __init__(self, describe: Callable[[], Mapping[str, Document]], options: Callable[[], Any]) -> None:
        self._describe = describe
        self._options = options
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
        options = self._options()
        if options.endpoint != "enabled":
            return HTTPStatus.FORBIDDEN, [], b""
        if method == "PUT" and path == "api/token":
            return self._token(headers)
        if method not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, [], b""
        token = headers.get(TOKEN)
        if (token is not None or options.tokens == "required") and not self._is_valid(token):
            return HTTPStatus.UNAUTHORIZED, [], b""
        if not version:
            return HTTPStatus.OK, [], "\n".join(VERSIONS).encode()
        document = lookup(self._describe(), path) if version in VERSIONS else None
        if document is None:
            return HTTPStatus.NOT_FOUND, [], b""
        return HTTPStatus.OK, [], document if isinstance(document, bytes) else await asyncio.to_thread(document)

    def _is_valid(self, token: str | None) -> bool:
        return self._tokens.get(token or "", 0) >= time.monotonic()

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
