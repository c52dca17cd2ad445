"""The emulated cloud as one WSGI application: our own services over moto, with a call log and faults."""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dlcluster.local.aws import managed_policies, validity
from dlcluster.local.aws.backend import Answer, Backend
from dlcluster.local.aws.calls import CallLog, Record
from dlcluster.local.aws.capacity import Capacity
from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.control import PREFIX, Control
from dlcluster.local.aws.faults import Faults, Strike
from dlcluster.local.aws.faults.lost import ask_again
from dlcluster.local.aws.permissions.guard import Permissions
from dlcluster.local.aws.policies import BucketPolicies
from dlcluster.local.aws.query import AwsError, Context, QueryService
from dlcluster.local.aws.quotas import Quotas
from dlcluster.local.aws.routing import Call, identify, path_style, refuse_expired
from dlcluster.local.aws.server import AnswerLost, Server
from dlcluster.local.aws.services import SERVICES
from dlcluster.local.aws.tokens import ClientTokens
from dlcluster.local.aws.wire import error_body, error_code, session

__all__ = ["Emulator", "serve"]

log = logging.getLogger(__name__)
# What a service of ours waits for another one, seconds: both stand still while the machine sleeps.
PATIENCE = 3600


class Emulator:
    """An emulated AWS account.

    nodes: instances stay `pending` until `compute.set_state(id, "running")`, and the public address of an
    instance is its private one (it is reachable then).
    on_change: called after every action that may have changed something; it must return quickly.

    The state lives in this process, and moto's part of it is global: one Emulator at a time.
    """

    def __init__(self, *, nodes: bool = False, on_change: Callable[[], None] | None = None) -> None:
        self.nodes = nodes
        self.on_change = on_change
        self.endpoint = ""
        self.backend = Backend()
        self.account_id = self.backend.account_id
        self.compute = Compute(self.backend, nodes=nodes)
        self.policies = BucketPolicies(self.backend)
        self.permissions = Permissions(self)
        self.quotas = Quotas()
        self.capacity = Capacity(self.compute)
        self.tokens = ClientTokens(self.backend, self.compute)
        self.calls = CallLog()
        self.faults = Faults()
        self.control = Control(self.faults, self.calls, self.compute, self.capacity)
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()
        self.services: dict[str, list[QueryService]] = {
            name: [make(self) for make in makers] for name, makers in SERVICES.items()
        }
        self.compute.on_state = self._wake

    def client(self, service: str, region: str, origin: str) -> Any:
        """A boto3 client to this emulator; `origin` tells its calls from a user's.

        It repeats no refused call, but asks again for an answer that was lost.
        """
        from botocore.config import Config

        with self._lock:
            key = service, region, origin
            if key not in self._clients:
                client = self._clients[key] = _boto3_session().client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id="emulator",
                    aws_secret_access_key="emulator",
                    config=Config(
                        retries={"mode": "standard", "total_max_attempts": 1},
                        read_timeout=PATIENCE,
                        user_agent=f"emulator-{origin}",  # the usual one takes longer to write than some answers
                        max_pool_connections=64,
                    ),
                )
                client.meta.events.register("needs-retry", ask_again)
            return self._clients[key]

    def close(self) -> None:
        """Stop the services' own threads."""
        for service in self._all_services():
            service.close()

    def _all_services(self) -> Iterator[QueryService]:
        return (service for services in self.services.values() for service in services)

    def _wake(self, call: Call | None = None) -> None:
        for service in self._all_services():
            service.wake(call)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(PREFIX):
            return _send(self.control.respond(environ), start_response)
        started = time.time()
        path_style(environ)
        call = identify(environ)
        again = self._repeated(call, environ)
        strike = Strike() if again else self.faults.strike(call)
        time.sleep(strike.seconds)
        answer, error = again or self._answer(call, environ, strike)
        self.calls.add(
            Record(
                started, call.service, call.action, call.region, call.access_key, call.origin, answer.status,
                "AnswerLost" if strike.lost else error, 1000 * (time.time() - started),
                self.compute.caller(call.access_key), strike.faults,
            )
        )  # fmt: skip
        if not call.reads:
            self._wake(call)
            if self.on_change:
                self.on_change()
        if strike.lost:
            self.faults.lost.keep(call, environ, answer)
            raise AnswerLost
        return _send(answer, start_response)

    def _repeated(self, call: Call, environ: dict[str, Any]) -> tuple[Answer, str | None] | None:
        """The answer that a service of ours asks for again, because it was lost."""
        answer = self.faults.lost.again(call, environ)
        return None if answer is None else (answer, None if answer.status < 400 else error_code(answer.body))

    def _answer(self, call: Call, environ: dict[str, Any], strike: Strike) -> tuple[Answer, str | None]:
        """The answer and, when it is a refusal, its code."""
        request_id = str(uuid.uuid4())
        try:
            if strike.error is not None:
                raise strike.error
            refuse_expired(environ)
            self.permissions.check(call, environ)
            validity.check(call, environ)
            self.faults.hidden.check(call)
            answer, error = self.tokens.once(call, lambda: self._done(call, environ, request_id))
            return self.faults.hidden.filter(call, answer, strike.hidden), error
        except AwsError as refusal:
            return _error_answer(call.protocol, refusal, request_id), refusal.code
        except Exception as failure:
            log.exception("%s %s", call.service, call.action)
            problem = AwsError("InternalFailure", f"{type(failure).__name__}: {failure}", status=500)
            return _error_answer(call.protocol, problem, request_id), problem.code

    def _done(self, call: Call, environ: dict[str, Any], request_id: str) -> tuple[Answer, str | None]:
        services = self.services.get(call.service, [])
        service = next((item for item in services if item.complete or item.implements(call.action)), None)
        if service is not None:
            return self._ask(service, call, request_id)
        answer = self._ask_moto(call, environ)
        return answer, None if answer.status < 400 else error_code(answer.body) or str(answer.status)

    def _ask(self, service: QueryService, call: Call, request_id: str) -> tuple[Answer, str | None]:
        context = Context(call.service, call.region, self.account_id, call.access_key, call.user_agent, request_id)
        response = service.respond(call.action, call.form, context, call.body)
        headers = [("Content-Type", response.content_type), ("x-amzn-RequestId", request_id)]
        return Answer(response.status, headers, response.body), response.error

    def _ask_moto(self, call: Call, environ: dict[str, Any]) -> Answer:
        managed_policies.provide(self.account_id, call)
        if call.action == "PutObject" and call.form:
            # urllib calls every body a form unless it is told otherwise, and moto would swallow a form.
            environ["CONTENT_TYPE"] = "binary/octet-stream"
        if call.service == "s3":
            return self.policies.respond(call, environ)
        return self.backend.respond(environ, call.service, call.action)


@functools.cache
def _boto3_session() -> Any:
    """One for the process: each boto3 session adds its handlers to botocore's, and S3 refuses them twice."""
    import boto3

    return boto3.Session(botocore_session=session())


def serve(emulator: Emulator, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve the emulator over HTTP and tell it its endpoint."""
    server = Server(emulator, host, port)
    emulator.endpoint = server.endpoint
    return server


def _send(answer: Answer, start_response: Any) -> list[bytes]:
    start_response(f"{answer.status} {'OK' if answer.status < 400 else 'Error'}", answer.headers)
    return [answer.body]


def _error_answer(protocol: str, error: AwsError, request_id: str) -> Answer:
    content_type, body = error_body(protocol, error, request_id)
    headers = [("Content-Type", content_type), ("x-amzn-RequestId", request_id), ("x-amzn-errortype", error.code)]
    return Answer(error.status, headers, body)
