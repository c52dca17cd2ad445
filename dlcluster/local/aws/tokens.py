"""Client tokens: a repeated request takes effect once, in every operation whose model has a token.

Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from dlcluster.local.aws.backend import Answer, Backend
from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import AwsError, service_model

REMEMBERED = 1_000  # answers; AWS remembers them for a day
# The member that holds the token, and the code for other parameters under the same token (EFS: for the same ones
# too). CloudFormation keeps the tokens of a stack itself.
_TOKENS = {
    "ec2": ("ClientToken", "IdempotentParameterMismatch"),
    "efs": ("ClientToken", "AccessPointAlreadyExists"),
    "fsx": ("ClientRequestToken", "IncompatibleParameterError"),
    "ssm": ("ClientToken", "IdempotentParameterMismatch"),
}
_MISMATCH = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
_TERMINATED = "The client token was used for a launch whose instance has been terminated."
_INSTANCE = re.compile(rb"<instanceId>(i-[0-9a-f]+)</instanceId>")
_SIGNATURE = re.compile("X-Amz-|Version$")


class ClientTokens:
    """The first answers to requests with a token, oldest first."""

    def __init__(self, backend: Backend, compute: Compute) -> None:
        self._backend = backend
        self._compute = compute
        self._answers: dict[tuple[str, str, str, str], tuple[str, Answer]] = {}
        self._lock = threading.RLock()  # held while the first request runs: a second one waits for its answer

    def once(self, call: Call, answer: Callable[[], tuple[Answer, str | None]]) -> tuple[Answer, str | None]:
        """The answer of `answer()`, or the one that the token got before; refusals are not remembered.

        Raises AwsError when the token came with other parameters, or when what it launched is terminated.
        """
        token = _token(call)
        if not token:
            return answer()
        key = call.service, call.region, call.action, token
        with self._lock:
            if key in self._answers:
                parameters, first = self._answers[key]
                if call.service != "efs":
                    return self._again(call, parameters, first), None
                self._refuse_access_point(call.region, first)
            result, error = answer()
            if error is None:
                self._answers[key] = _parameters(call), result
                if len(self._answers) > REMEMBERED:
                    del self._answers[next(iter(self._answers))]
            return result, error

    def _again(self, call: Call, parameters: str, answer: Answer) -> Answer:
        if parameters != _parameters(call):
            raise AwsError(_TOKENS[call.service][1], _MISMATCH)
        if call.action == "RunInstances":
            for instance_id in _INSTANCE.findall(answer.body):
                found = self._compute.find(instance_id.decode())
                if found is None or found.state == "terminated":
                    raise AwsError("IdempotentInstanceTerminated", _TERMINATED)
        return answer

    def _refuse_access_point(self, region: str, answer: Answer) -> None:
        """Raise AwsError while the access point that a token made exists."""
        made = json.loads(answer.body)["AccessPointId"]
        if self._backend.has_access_point(region, made):
            raise AwsError(_TOKENS["efs"][1], f"Access point '{made}' already exists with this client token", 409)


@functools.cache
def _has_token(service: str, action: str) -> bool:
    if service not in _TOKENS:
        return False
    model = service_model(service)
    shape = model.operation_model(action).input_shape if action in model.operation_names else None
    return shape is not None and _TOKENS[service][0] in shape.members


def _token(call: Call) -> str:
    if not _has_token(call.service, call.action):
        return ""
    return str(_fields(call).get(_TOKENS[call.service][0]) or "")


def _fields(call: Call) -> dict[str, Any]:
    if call.form:
        return call.form
    try:
        fields = json.loads(call.body or b"{}")
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _parameters(call: Call) -> str:
    fields = {name: value for name, value in _fields(call).items() if not _SIGNATURE.match(name)}
    return json.dumps(fields, sort_keys=True)
