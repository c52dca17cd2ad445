"""A service of the query protocol as a plain class: one method per operation."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore import xform_name

from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.wire import (
    JSON_TYPE,
    AwsError,
    error_body,
    parse_form,
    parse_json,
    service_model,
    success_json,
    success_xml,
)

__all__ = ["AwsError", "Context", "QueryService", "Response", "page"]

log = logging.getLogger(__name__)
Row = TypeVar("Row")


@dataclass(frozen=True)
class Context:
    """Who calls, and where."""

    service: str
    region: str
    account_id: str
    access_key: str
    user_agent: str
    request_id: str


@dataclass(frozen=True)
class Response:
    """An HTTP answer; `error` is the AWS code when the call failed."""

    status: int
    body: bytes
    content_type: str = "text/xml"
    error: str | None = None


class QueryService:
    """Answers the operations that a subclass defines.

    `CreateStack` is answered by `create_stack(self, params: dict, context: Context) -> dict`. `params` and
    the result have the structure of botocore's input and output shapes. Errors for the caller are raised as
    AwsError; anything else becomes InternalFailure (status 500), never a page of HTML.
    `complete = False` says that another implementation answers the operations that the class lacks.
    """

    complete = True

    def __init__(self, service_name: str) -> None:
        self.model = service_model(service_name)
        self.protocol: str = self.model.metadata["protocol"]
        self._methods = {name: xform_name(name) for name in self.model.operation_names}

    def implements(self, action: str) -> bool:
        """Whether this class defines the operation."""
        return self._handler(action) is not None

    def respond(self, action: str, form: Mapping[str, str], context: Context, body: bytes = b"") -> Response:
        """Parse the form (or the JSON body), call the method, serialise what it returns or raises."""
        try:
            return self._call(action, form, context, body)
        except AwsError as error:
            return self.error(error, context)
        except Exception as error:
            log.exception("%s %s", context.service, action)
            message = f"{type(error).__name__}: {error}"
            return self.error(AwsError("InternalFailure", message, status=500), context)

    def close(self) -> None:
        """Stop what the service runs on its own."""

    @contextmanager
    def quiet(self, *, strict: bool = True) -> Iterator[None]:
        """Hold still while a snapshot is taken. strict: raise `snapshot.Busy` when an operation is under way."""
        yield

    def restored(self) -> None:
        """The attributes were just filled from a snapshot: repair what a restart breaks."""

    def wake(self, call: Call | None = None) -> None:
        """Something changed in the account: by a call, or (None) in the state of an instance."""

    def error(self, error: AwsError, context: Context) -> Response:
        """The answer that carries an error."""
        content_type, body = error_body(self.protocol, error, context.request_id)
        return Response(error.status, body, content_type, error.code)

    def _call(self, action: str, form: Mapping[str, str], context: Context, body: bytes) -> Response:
        handler = self._handler(action)
        if handler is None:
            problem = "Not emulated here" if action in self._methods else "Could not find operation"
            raise AwsError("InvalidAction", f"{problem}: {action} of {context.service}")
        operation = self.model.operation_model(action)
        if self.protocol == "json":
            result = handler(parse_json(operation, body), context) or {}
            return Response(200, success_json(operation, result), JSON_TYPE)
        result = handler(parse_form(operation, form), context) or {}
        return Response(200, success_xml(operation, result, context.request_id))

    def _handler(self, action: str) -> Callable[[dict[str, Any], Context], dict[str, Any] | None] | None:
        name = self._methods.get(action)
        return getattr(self, name, None) if name else None


def page(
    rows: Sequence[Row], identity: Callable[[Row], str], token: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """The rows after `token` (at most `limit`) and the token of the next page, or None at the end.

    A token names the last row that was seen, so rows that come or go before it do not shift the next page;
    when that very row is gone its former position stands in. Raises AwsError(InvalidNextToken).
    """
    start = _start(rows, identity, token) if token else 0
    chosen = list(rows[start : start + limit])
    end = start + len(chosen)
    if not chosen or end >= len(rows):
        return chosen, None
    return chosen, base64.urlsafe_b64encode(f"{end}:{identity(chosen[-1])}".encode()).decode()


def _start(rows: Sequence[Row], identity: Callable[[Row], str], token: str) -> int:
    try:
        position, last = base64.urlsafe_b64decode(token).decode().split(":", 1)
        offset = int(position)
    except ValueError:
        raise AwsError("InvalidNextToken", f"The token '{token}' is invalid.") from None
    return next((index + 1 for index, row in enumerate(rows) if identity(row) == last), offset)
