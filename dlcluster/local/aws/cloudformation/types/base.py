"""What a resource type is, and the handle through which it works on one resource."""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.exceptions import ClientError, ParamValidationError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from dlcluster.local.aws.cloudformation.intrinsics import text

POLL_SECONDS = 0.02
MISSING = (
    "NotFound",
    "NoSuch",
    "NotAttached",
    "DoesNotExist",
    "NonExistent",
    "InvalidAssociationID",
    "Gateway.NotAttached",
)


class Failed(Exception):
    """The reason why a resource could not be created, updated or deleted."""


class Cancelled(Failed):
    """Another resource failed first, or the user cancelled."""


class Host(Protocol):
    """What a type may ask of the operation that runs it."""

    region: str
    account_id: str
    stack_name: str
    stack_id: str
    endpoint: str

    @property
    def nested(self) -> Any: ...  # cloudformation.nested.Nested
    def client(self, service: str) -> Any: ...
    def cancelled(self) -> bool: ...
    def signals(self, logical_id: str) -> list[Any]: ...
    def note(self, resource: Any, text: str) -> None: ...
    def update_policy(self, resource: Any) -> dict[str, Any]: ...
    def template(self, url: str) -> str: ...


class Step:
    """One resource in one operation.

    properties: resolved. old: the properties before an update. changed: top-level names that differ ("Tags"
    also stands for stack tags). tags: what the resource is to carry, stack tags included.
    """

    def __init__(
        self,
        host: Host,
        resource: Any,
        *,
        old: Mapping[str, Any] | None = None,
        old_tags: Mapping[str, str] | None = None,
        changed: frozenset[str] = frozenset(),
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self.host = host
        self.resource = resource
        self.old = dict(old or {})
        self.old_tags = dict(old_tags or {})
        self.changed = changed
        self._announce = announce

    @property
    def properties(self) -> dict[str, Any]:
        return self.resource.properties

    @property
    def physical_id(self) -> str:
        return self.resource.physical_id

    @property
    def memo(self) -> dict[str, Any]:
        return self.resource.memo

    @property
    def tags(self) -> dict[str, str]:
        return self.resource.tags

    def get(self, name: str, default: Any = None) -> Any:
        """A property."""
        return self.properties.get(name, default)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean property, written as a boolean or as a string."""
        return str(self.properties.get(name, default)).lower() == "true"

    def only(self, *names: str) -> dict[str, Any]:
        """The named properties, those that are set."""
        return {name: self.properties[name] for name in names if name in self.properties}

    def made(self, physical_id: str, **memo: Any) -> None:
        """Say, right after the first call, what exists now: from here on the resource can be deleted."""
        self.memo.update(memo)
        first, self.resource.physical_id = not self.physical_id, physical_id
        if first:
            self._announce()

    def unique_name(self, limit: int = 255, *, lower: bool = False) -> str:
        """`stack-logical-RANDOM`, so that a replacement never collides with what it replaces."""
        alphabet = string.ascii_lowercase + string.digits if lower else string.ascii_letters + string.digits
        suffix = "".join(secrets.choice(alphabet) for _ in range(12))
        half = (limit - len(suffix) - 2) // 2
        logical = self.resource.logical_id[:half]
        stem = f"{self.host.stack_name[: limit - len(suffix) - 2 - len(logical)]}-{logical}"
        return f"{stem.lower() if lower else stem}-{suffix}"

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One API call. None values are left out; strings become what the API wants (a template's "200" is 200).

        Raises botocore's ClientError, and Failed for parameters that the API does not know.
        """
        client = self.host.client(service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
        given = {name: value for name, value in params.items() if value is not None}
        try:
            return getattr(client, operation)(**coerce(shape, given))
        except ClientError as error:
            vars(error)["service"] = client.meta.service_model.service_id
            raise
        except ParamValidationError as error:
            raise Failed(f"Properties validation failed: {error}") from None

    def wait(self, ready: Callable[[], bool], what: str, seconds: float = 600) -> None:
        """Poll until ready() says so. Raises Failed after the time, Cancelled when the operation was cancelled."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.host.cancelled():
                raise Cancelled("Resource creation cancelled")
            if time.monotonic() > deadline:
                raise Failed(f"Exceeded attempts to wait: {what}")
            time.sleep(POLL_SECONDS)


class Kind:
    """A resource type.

    name: its CloudFormation name. properties: what is implemented (any other is refused). mutable: what
    update() can change. moves: create-only by the schema, but changed in place here. volatile: attributes that
    an update changes. tag_property: where the tags stand; x.changed names it when stack tags change, too.
    """

    name = ""
    properties: frozenset[str] = frozenset()
    mutable: frozenset[str] = frozenset()
    moves: frozenset[str] = frozenset()
    volatile: frozenset[str] = frozenset()
    system_tags = True  # whether the service takes tags that begin with aws:
    tag_property = "Tags"

    def create(self, x: Step) -> None:
        """Make it; call x.made() right after the first API call."""
        raise NotImplementedError

    def taken(self, x: Step) -> str:
        """The name that the template gives it, when something else has it and create() would not be refused."""
        return ""

    def update(self, x: Step) -> None:
        """Change in place what x.changed names."""
        raise NotImplementedError

    def delete(self, x: Step) -> None:
        """Remove it and wait until it is gone; what is already gone is no error."""
        raise NotImplementedError

    def own_tags(self, properties: Mapping[str, Any]) -> dict[str, str]:
        """The tags that the template gives the resource, written as a map or as a list."""
        own = properties.get(self.tag_property) or {}
        if isinstance(own, dict):
            return {key: text(value) for key, value in own.items()}
        return {text(item.get("Key")): text(item.get("Value")) for item in own if isinstance(item, dict)}

    def ref(self, resource: Any) -> str:
        """What Ref gives."""
        return resource.physical_id

    def attribute(self, x: Step, name: str) -> Any:
        """What Fn::GetAtt gives; None when this type does not tell it."""
        return x.properties.get(name)

    def is_volatile(self, attribute: str) -> bool:
        """Whether an update changes an attribute in a way that cannot be told before."""
        return attribute in self.volatile

    def enrich(self, properties: dict[str, Any], scope: Any) -> dict[str, Any]:
        """Resolved properties with what stands behind them (scope: intrinsics.Scope)."""
        return properties

    def snapshot(self, x: Step) -> None:
        """Keep a copy before deletion (DeletionPolicy: Snapshot)."""
        raise NotImplementedError


def names(words: str) -> frozenset[str]:
    """A set of names from a line of words."""
    return frozenset(words.split())


@contextmanager
def missing_is_fine() -> Iterator[None]:
    """For deletions: what is not there need not be deleted."""
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise


def is_missing(error: ClientError) -> bool:
    """Whether an API error says that the thing does not exist."""
    code = error.response["Error"]["Code"]
    return any(word in code for word in MISSING) or "not found" in error.response["Error"]["Message"].lower()


def exists(x: Step, service: str, operation: str, **which: Any) -> bool:
    """Whether a call that reads one thing finds it."""
    try:
        x.call(service, operation, **which)
    except ClientError as error:
        if is_missing(error) or error.response["Error"]["Code"] == "404":
            return False
        raise
    return True


def first_row(x: Step, service: str, operation: str, key: str, **which: Any) -> dict[str, Any]:
    """The first row under `key` in the answer of a describe call; {} when the thing is not there."""
    try:
        rows: list[dict[str, Any]] = x.call(service, operation, **which)[key]
    except ClientError as error:
        if is_missing(error):
            return {}
        raise
    return rows[0] if rows else {}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def removed_tags(x: Step) -> list[str]:
    """Keys that were on the resource and are no longer wanted."""
    return sorted(set(x.old_tags) - set(x.tags))


def coerce(shape: Shape | None, value: Any) -> Any:
    """A template's value in the type that the API's input shape asks for."""
    if shape is None:
        return value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: coerce(shape.members.get(name), item) for name, item in value.items()}
    if isinstance(shape, ListShape):
        items = value if isinstance(value, list) else [value]
        return [coerce(shape.member, item) for item in items]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: coerce(shape.value, item) for name, item in value.items()}
    return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    if kind in ("integer", "long") and isinstance(value, str | float):
        return _number(int, value)
    if kind in ("float", "double") and isinstance(value, str):
        return _number(float, value)
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind == "string" and not isinstance(value, str | bytes):
        if isinstance(value, dict | list):
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _number(convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except ValueError:
        return value
