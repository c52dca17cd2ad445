"""Stacks as resources of a stack."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.intrinsics import text
from dlcluster.local.aws.cloudformation.types.base import Cancelled, Failed, Kind, Step, names
from dlcluster.local.aws.query import AwsError

_OUTPUTS = "Outputs."


class Template(str):
    """A TemplateURL with the text that was behind it: the same URL with another text is another value."""

    body: str

    def __new__(cls, url: str, body: str) -> Template:
        made = super().__new__(cls, url)
        made.body = body
        return made

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True and self.body == getattr(other, "body", None)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return Template, (str(self), self.body)


class NestedStack(Kind):
    """Created, updated and deleted with its parent; a failure is the parent's failure."""

    name = "AWS::CloudFormation::Stack"
    properties = mutable = names("TemplateURL Parameters NotificationARNs TimeoutInMinutes Tags")
    system_tags = False

    def enrich(self, properties: dict[str, Any], scope: Any) -> dict[str, Any]:
        """With the template's text; what cannot be read fails when the stack is made."""
        url = properties.get("TemplateURL")
        if not isinstance(url, str):
            return properties
        try:
            return {**properties, "TemplateURL": Template(url, scope.template(url))}
        except AwsError:
            return properties

    def create(self, x: Step) -> None:
        timeout = x.get("TimeoutInMinutes")
        minutes = None if timeout is None else int(timeout)
        stack = x.host.nested.create(x.unique_name(128), _body(x), _params(x), minutes)
        x.made(stack.id)
        _settle(x, stack)
        if stack.status != "CREATE_COMPLETE":
            raise Failed(f"Embedded stack {stack.id} was not successfully created: {stack.reason}")

    def update(self, x: Step) -> None:
        stack = _find(x)
        wanted = x.host.nested.update(stack, _body(x), _params(x))
        if wanted is None:
            return
        try:
            _settle(x, stack)
        except Cancelled:
            x.host.nested.cancel(stack)
            stack.operation.done.wait()
            raise
        if stack.status != wanted:
            raise Failed(
                f"Embedded stack {stack.id} was not successfully updated. Currently in {stack.status} with reason: "
                f"{stack.reason}"
            )

    def delete(self, x: Step) -> None:
        stack = x.host.nested.find(x.physical_id)
        if stack is None:
            return
        x.host.nested.delete(stack)
        _settle(x, stack)
        if not stack.gone:
            raise Failed(f"Embedded stack {stack.id} was not successfully deleted: {stack.reason}")

    def attribute(self, x: Step, name: str) -> Any:
        if not name.startswith(_OUTPUTS):
            return None
        key = name.removeprefix(_OUTPUTS)
        stack = _find(x)
        value = next((row["OutputValue"] for row in stack.outputs if row["OutputKey"] == key), None)
        if value is None:
            raise Failed(f"Output {key!r} not found in stack {stack.id}")
        return value

    def is_volatile(self, attribute: str) -> bool:
        return attribute.startswith(_OUTPUTS)


def _find(x: Step) -> Any:
    stack = x.host.nested.find(x.physical_id)
    if stack is None:
        raise Failed(f"Stack [{x.physical_id}] does not exist")
    return stack


def _settle(x: Step, stack: Any) -> None:
    x.wait(lambda: not stack.status.endswith("_IN_PROGRESS"), stack.name, seconds=float("inf"))


def _body(x: Step) -> str:
    url = x.get("TemplateURL")
    return url.body if isinstance(url, Template) else x.host.template(text(url))


def _params(x: Step) -> dict[str, Any]:
    given = x.get("Parameters") or {}
    if any(isinstance(value, list | dict) for value in given.values()):
        raise Failed("Value of property Parameters must be an object with String (or simple type) properties")
    rows = [{"ParameterKey": key, "ParameterValue": text(value)} for key, value in given.items()]
    tags = [{"Key": key, "Value": value} for key, value in x.tags.items()]
    return {"Parameters": rows, "Tags": tags, "NotificationARNs": x.get("NotificationARNs") or []}
