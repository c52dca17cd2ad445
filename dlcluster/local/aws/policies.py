"""Bucket policies, held beside moto: it would apply them without their conditions. Permissions read them here."""

from __future__ import annotations

import io
from typing import Any

from dlcluster.local.aws.backend import Answer, Backend
from dlcluster.local.aws.permissions.policy import problem
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError


class BucketPolicies:
    """Answers the calls on bucket policies of one emulated account."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._policies: dict[str, bytes] = {}

    def of(self, bucket: str) -> str | None:
        """The policy of a bucket, as JSON."""
        policy = self._policies.get(bucket)
        return policy.decode() if policy is not None else None

    def respond(self, call: Call, environ: dict[str, Any]) -> Answer:
        """The answer to any S3 call."""
        bucket = environ["PATH_INFO"].strip("/").partition("/")[0]
        if call.action == "GetBucketPolicy" and bucket in self._policies:
            return Answer(200, [("Content-Type", "application/json")], self._policies[bucket])
        if call.action == "PutBucketPolicy" and (fault := problem(_body(environ))):
            raise AwsError("MalformedPolicy", fault)
        answer = self._backend.respond(environ, call.service, call.action)
        if answer.status < 300:
            if call.action == "PutBucketPolicy":
                self._policies[bucket] = self._backend.take_bucket_policy(bucket)
            elif call.action in ("DeleteBucketPolicy", "DeleteBucket"):
                self._policies.pop(bucket, None)
        return answer


def _body(environ: dict[str, Any]) -> str:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return str(body.decode("utf-8", "replace"))
