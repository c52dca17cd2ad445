"""Intrinsic functions: from a template's values to plain values.

A value that cannot be known before the deployment (the id of a resource still to be made) is UNKNOWN; every
function that receives it answers UNKNOWN. Change sets are computed that way, without touching any service.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from dlcluster.local.aws.query import AwsError

_VARIABLE = re.compile(r"\$\{(!?)\s*([^{}]*?)\s*\}")
_DYNAMIC = re.compile(r"\{\{resolve:([^:}]+):([^}]*)\}\}")

SUPPORTED = (
    "Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, "
    "Ref, Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Sub, Fn::Cidr"
)
PSEUDO = ("AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix")


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNKNOWN = _Marker("{{changeSet:KNOWN_AFTER_APPLY}}")
NO_VALUE = _Marker("AWS::NoValue")


def error(message: str) -> AwsError:
    """A ValidationError with the given words."""
    return AwsError("ValidationError", message)


def has_unknown(value: Any) -> bool:
    """Whether UNKNOWN stands anywhere in the value."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def text(value: Any) -> str:
    """A scalar as CloudFormation writes it into strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def function_of(value: Any) -> tuple[str, Any] | None:
    """(name, argument) when the value is a call of an intrinsic function."""
    if isinstance(value, dict) and len(value) == 1:
        name = next(iter(value))
        if name == "Ref" or (isinstance(name, str) and name.startswith("Fn::")):
            return name, value[name]
    return None


def sub_variables(template: str) -> list[str]:
    """Names inside `${...}` of a Fn::Sub string, literals `${!...}` left out."""
    return [name for literal, name in _VARIABLE.findall(template) if not literal]


def references(value: Any, taken: Callable[[str], bool | None] = lambda _: None) -> Iterator[tuple[str, str]]:
    """(name, attribute) of every Ref, Fn::GetAtt and Fn::Sub variable; the attribute is "" for a Ref.

    taken(condition) says which branch of a Fn::If counts; None means both.
    """
    call = function_of(value)
    if call is None:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for child in children:
            yield from references(child, taken)
        return
    name, argument = call
    if name == "Ref":
        yield text(argument), ""
    elif name == "Fn::GetAtt":
        target, attribute = attribute_path(argument)
        yield target, text(attribute) if not isinstance(attribute, dict) else "*"
        yield from references(attribute, taken)
    elif name == "Fn::Sub":
        template, local = sub_arguments(argument)
        for variable in sub_variables(template):
            if variable not in local:
                target, _, attribute = variable.partition(".")
                yield target, attribute
        yield from references(local, taken)
    elif name == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
        branch = taken(text(argument[0]))
        for wanted, child in ((True, argument[1]), (False, argument[2])):
            if branch in (None, wanted):
                yield from references(child, taken)
    else:
        yield from references(argument, taken)


def attribute_path(argument: Any) -> tuple[str, Any]:
    """(logical id, attribute) of a Fn::GetAtt."""
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    if not isinstance(argument, list) or len(argument) < 2 or not isinstance(argument[0], str):
        raise error("Template error: every Fn::GetAtt object requires two non-empty parameters, "
                    "the resource name and the resource attribute")  # fmt: skip
    if len(argument) > 2 and all(isinstance(item, str) for item in argument):
        return argument[0], ".".join(argument[1:])
    return argument[0], argument[1]


def sub_arguments(argument: Any) -> tuple[str, dict[str, Any]]:
    """(string, local variables) of a Fn::Sub."""
    if isinstance(argument, str):
        return argument, {}
    if (
        isinstance(argument, list)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and isinstance(argument[1], dict)
    ):
        return argument[0], argument[1]
    raise error(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a "
        "string as first argument, and an optional second argument to specify a mapping of values to replace "
        "in the string"
    )


class Scope(Protocol):
    """What names mean: resources, imports and zones come from outside the template."""

    def ref(self, logical_id: str) -> Any: ...
    def attribute(self, logical_id: str, name: str) -> Any: ...
    def zones(self, region: str) -> list[str]: ...
    def imported(self, export: str) -> Any: ...
    def secret(self, service: str, reference: str) -> str: ...
    def template(self, url: str) -> str: ...


class Resolver:
    """Evaluates values of one template for given parameters and pseudo parameters.

    values: parameter and pseudo parameter names to their values. conditions: raw Conditions section.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        mappings: Mapping[str, Any],
        conditions: Mapping[str, Any],
        scope: Scope,
    ) -> None:
        self.values = values
        self._mappings = mappings
        self._conditions = conditions
        self._decided: dict[str, bool] = {}
        self._deciding: list[str] = []
        self._scope = scope

    def condition(self, name: str) -> bool:
        """Whether a named condition holds."""
        if name not in self._decided:
            if name not in self._conditions:
                raise error(f"Template error: unresolved condition dependency {name} in the template")
            if name in self._deciding:
                raise error(f"Template error: Found circular condition dependency between {name}")
            self._deciding.append(name)
            try:
                self._decided[name] = self._truth(self._conditions[name])
            finally:
                self._deciding.pop()
        return self._decided[name]

    def _truth(self, value: Any) -> bool:
        if isinstance(value, dict) and len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Condition":
                return self.condition(text(argument))
            items = argument if isinstance(argument, list) else [argument]
            if name in ("Fn::And", "Fn::Or"):
                if not 2 <= len(items) <= 10:
                    raise error(f"Template error: every {name} object requires a list of at least 2 and at most "
                                "10 boolean parameters.")  # fmt: skip
                return (all if name == "Fn::And" else any)([self._truth(item) for item in items])
            if name == "Fn::Not":
                if len(items) != 1:
                    raise error("Template error: Fn::Not requires a list argument with one function.")
                return not self._truth(items[0])
            if name == "Fn::Equals":
                if len(items) != 2:
                    raise error("Template error: every Fn::Equals object requires a list of 2 string parameters.")
                left, right = (self.resolve(item) for item in items)
                return text(left) == text(right)
        resolved = self.resolve(value)
        if isinstance(resolved, bool) or resolved in ("true", "false"):
            return text(resolved) == "true"
        raise error("Template format error: Conditions can only be boolean operations on parameters and other "
                    "conditions")  # fmt: skip

    def resolve(self, value: Any) -> Any:
        """The plain value; AWS::NoValue leaves no key and no list entry behind."""
        call = function_of(value)
        if call:
            name, argument = call
            function = _FUNCTIONS.get(name)
            if function is None:
                raise error(f"Template error: encountered unsupported function: {name} "
                            f"Supported functions are: [{SUPPORTED}]")  # fmt: skip
            return self._dynamic(function(self, argument))
        if isinstance(value, dict):
            resolved = {text(key): self.resolve(item) for key, item in value.items()}
            return {key: item for key, item in resolved.items() if item is not NO_VALUE}
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not NO_VALUE]
        return self._dynamic(value)

    def _dynamic(self, value: Any) -> Any:
        """What dynamic references in a string stand for, wherever the string comes from."""
        if isinstance(value, str) and "{{resolve:" in value:
            return _DYNAMIC.sub(lambda match: self._scope.secret(match[1], match[2]), value)
        return value

    def _name(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        return self._scope.ref(name)

    def _ref(self, argument: Any) -> Any:
        return self._name(text(argument))

    def _get_att(self, argument: Any) -> Any:
        target, attribute = attribute_path(argument)
        name = self.resolve(attribute)
        return UNKNOWN if name is UNKNOWN else self._scope.attribute(target, text(name))

    def _sub(self, argument: Any) -> Any:
        template, local = sub_arguments(argument)
        values = {name: self.resolve(item) for name, item in local.items()}

        def value_of(name: str) -> Any:
            if name in values:
                return values[name]
            target, _, attribute = name.partition(".")
            return self._scope.attribute(target, attribute) if attribute else self._name(name)

        found = {name: value_of(name) for name in sub_variables(template)}
        if any(has_unknown(item) for item in found.values()):
            return UNKNOWN
        for name, item in found.items():
            if isinstance(item, list | dict) or item is NO_VALUE:
                raise error(f"Template error: variable {name} in Fn::Sub expression does not resolve to a string")
        return _VARIABLE.sub(lambda match: f"${{{match[2]}}}" if match[1] else text(found[match[2]]), template)

    def _join(self, argument: Any) -> Any:
        usage = (
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list "
            "of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be "
            "joined."
        )
        delimiter, items = self._two(argument, usage)
        if items is UNKNOWN or has_unknown(items):
            return UNKNOWN
        if not isinstance(items, list) or any(isinstance(item, list | dict) for item in items):
            raise error(usage)
        return text(delimiter).join(text(item) for item in items)

    def _select(self, argument: Any) -> Any:
        usage = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
        index, items = self._two(argument, usage)
        if UNKNOWN in (index, items):
            return UNKNOWN
        if not isinstance(items, list) or not re.fullmatch(r"-?\d+", text(index)):
            raise error(usage)
        if not 0 <= int(index) < len(items):
            raise error(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
        return items[int(index)]

    def _split(self, argument: Any) -> Any:
        usage = (
            "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a "
            "string to be split or a function that returns a string to be split."
        )
        delimiter, source = self._two(argument, usage)
        if source is UNKNOWN:
            return UNKNOWN
        if not isinstance(delimiter, str) or not delimiter or isinstance(source, list | dict):
            raise error(usage)
        return text(source).split(delimiter)

    def _if(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise error("Template error: Fn::If requires a list argument with three elements")
        return self.resolve(argument[1] if self.condition(text(argument[0])) else argument[2])

    def _find_in_map(self, argument: Any) -> Any:
        if not isinstance(argument, list) or len(argument) != 3:
            raise error("Template error: every Fn::FindInMap object requires three parameters, the map name, map "
                        "key and the attribute for return value")  # fmt: skip
        name, key, attribute = (text(self.resolve(item)) for item in argument)
        if name not in self._mappings:
            raise error(f"Template error: Mapping named '{name}' is not present in the 'Mappings' section of "
                        "template.")  # fmt: skip
        try:
            return self._mappings[name][key][attribute]
        except (KeyError, TypeError):
            raise error(f"Template error: Unable to get mapping for {name}::{key}::{attribute}") from None

    def _get_azs(self, argument: Any) -> Any:
        region = self.resolve(argument)
        return UNKNOWN if region is UNKNOWN else self._scope.zones(text(region) or self.values["AWS::Region"])

    def _base64(self, argument: Any) -> Any:
        value = self.resolve(argument)
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, list | dict):
            raise error("Template error: every Fn::Base64 object must have a String-typed value.")
        return base64.b64encode(text(value).encode()).decode()

    def _cidr(self, argument: Any) -> Any:
        items = self.resolve(argument)
        if has_unknown(items):
            return UNKNOWN
        if not isinstance(items, list) or not 2 <= len(items) <= 3:
            raise error("Template error: Fn::Cidr requires a list argument of an ipBlock, a count and cidrBits")
        try:
            network = ipaddress.ip_network(text(items[0]))
            count = int(items[1])
            bits = int(items[2]) if len(items) == 3 else (8 if network.version == 4 else 64)
            prefix = network.max_prefixlen - bits
            if not (1 <= count <= 256 and prefix >= network.prefixlen and count <= 2 ** (prefix - network.prefixlen)):
                raise ValueError
        except ValueError:
            raise error(f"Template error: Fn::Cidr cannot generate {items[1]} CIDRs from {items[0]}") from None
        blocks = network.subnets(new_prefix=prefix)
        return [str(next(blocks)) for _ in range(count)]

    def _import_value(self, argument: Any) -> Any:
        name = self.resolve(argument)
        return UNKNOWN if name is UNKNOWN else self._scope.imported(text(name))

    def _transform(self, argument: Any) -> Any:
        name = argument.get("Name", "?") if isinstance(argument, dict) else argument
        raise error(f"Transforms are not supported by this endpoint: Fn::Transform {name}")

    def _two(self, argument: Any, usage: str) -> tuple[Any, Any]:
        if not isinstance(argument, list) or len(argument) != 2:
            raise error(usage)
        return self.resolve(argument[0]), self.resolve(argument[1])


_FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Ref": Resolver._ref,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::Sub": Resolver._sub,
    "Fn::Join": Resolver._join,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::If": Resolver._if,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::GetAZs": Resolver._get_azs,
    "Fn::Base64": Resolver._base64,
    "Fn::Cidr": Resolver._cidr,
    "Fn::ImportValue": Resolver._import_value,
    "Fn::Transform": Resolver._transform,
}
