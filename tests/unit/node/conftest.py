"""A fake AWS on loopback for node tests: instance metadata (IMDSv2), EC2 CreateTags, S3 objects."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

INSTANCE = "i-0123456789abcdef0"
ROLE_PATH = "/latest/meta-data/iam/security-credentials/"


class Call(NamedTuple):
    headers: dict[str, str]
    body: str


class FakeAws:
    """What the fake was asked, what it holds, and how it is to refuse."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.calls: list[Call] = []
        self.tags: dict[str, str] = {}
        self.objects: dict[str, bytes] = {}
        self.refuse: list[tuple[int, str]] = []
        self.roleless = 0
        self.missing = 0  # bytes that every answer promises and does not send
        self.endpoint = ""

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        self.seen.append((method, path))
        if path.startswith("/latest/"):
            return self._metadata(method, path, headers)
        if self.refuse:
            status, code = self.refuse.pop(0)
            if path == "/":
                self.calls.append(Call(headers, body.decode()))
            return status, f"<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>".encode()
        if path == "/":
            return self._create_tags(headers, body.decode())
        if method == "PUT":
            self.objects[path] = body
            return 200, b""
        if path in self.objects:
            return 200, self.objects[path]
        return 404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>"

    def _metadata(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if (method, path) == ("PUT", "/latest/api/token"):
            return (200, b"imds-token") if "x-aws-ec2-metadata-token-ttl-seconds" in headers else (400, b"")
        if headers.get("x-aws-ec2-metadata-token") != "imds-token":
            return 401, b""
        if path == ROLE_PATH and self.roleless:
            self.roleless -= 1
            return 404, b"<html>Not Found</html>"
        keys = {"AccessKeyId": "ASIAFAKE", "SecretAccessKey": "secret", "Token": "fake-token"}
        known = {
            "/latest/meta-data/instance-id": INSTANCE,
            "/latest/meta-data/placement/region": "eu-west-1",
            ROLE_PATH: "node-role\n",
            ROLE_PATH + "node-role": json.dumps(keys),
        }
        return (200, known[path].encode()) if path in known else (404, b"")

    def _create_tags(self, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        self.calls.append(Call(headers, body))
        form: dict[str, Any] = dict(parse_qsl(body))
        number = 1
        while f"Tag.{number}.Key" in form:
            self.tags[form[f"Tag.{number}.Key"]] = form[f"Tag.{number}.Value"]
            number += 1
        return 200, b"<CreateTagsResponse/>"


@pytest.fixture
def fake_aws(monkeypatch):
    """The fake, with the environment pointing at it."""
    fake = FakeAws()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = fake.answer(self.command, self.path, headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer) + (fake.missing if "/latest/" not in self.path else 0)))
            self.end_headers()
            self.wfile.write(answer)
            self.close_connection = True

        do_GET = do_PUT = do_POST = _any

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", fake.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.endpoint)
    yield fake
    server.shutdown()
    server.server_close()
