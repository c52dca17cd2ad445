"""Condition keys of a request, and patterns with policy variables.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

# Global keys that a request either carries (then they are among the values) or truly lacks. Those ending in "/" are
# families. A global key that is not here is unknown: a policy that asks for it cannot be decided.
_GLOBAL = frozenset(
    {
        "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:currenttime",
        "aws:ec2instancesourceprivateipv4", "aws:ec2instancesourcevpc", "aws:epochtime",
        "aws:federatedprovider", "aws:multifactorauthage", "aws:multifactorauthpresent", "aws:principalaccount",
        "aws:principalarn", "aws:principalisawsservice", "aws:principaltag/", "aws:principaltype",
        "aws:referer", "aws:requestedregion", "aws:requesttag/", "aws:resourceaccount", "aws:resourcetag/",
        "aws:securetransport", "aws:sourceidentity", "aws:tagkeys", "aws:tokenissuetime", "aws:useragent",
        "aws:userid", "aws:username", "aws:viaawsservice",
    }
)  # fmt: skip
_VARIABLE = re.compile(r"\$\{([^}]*)\}|(\*)|(\?)|([^*?$]+|\$)")


class UnknownKey(Exception):
    """A condition key that is not emulated: nobody can tell whether the condition holds."""


class Unresolved(Exception):
    """A policy variable whose key the request does not carry."""


class Keys:
    """The condition keys of one request on one resource; names are the same in upper and lower case.

    values: key -> values. absent: further keys that are emulated for the service and that this request lacks
    (those ending in "/" are families). A key of another service is absent.
    """

    def __init__(self, service: str, values: Mapping[str, Sequence[str]], absent: Iterable[str] = ()) -> None:
        self._service = service
        self._values = {name.lower(): list(found) for name, found in values.items()}
        self._absent = {name.lower() for name in absent}

    def get(self, name: str) -> list[str] | None:
        """The values of a key, None where the request lacks it. Raises UnknownKey."""
        key = name.lower()
        if key in self._values:
            return self._values[key]
        family = key.partition("/")[0] + "/" if "/" in key else key
        if {key, family} & (_GLOBAL | self._absent) or key.partition(":")[0] not in ("aws", self._service):
            return None
        raise UnknownKey(name)

    def pattern(self, text: str, *, wildcards: bool, variables: bool) -> str:
        """A regular expression for a policy's text. Raises Unresolved and UnknownKey for its variables."""
        if not variables:
            return "".join(_wildcard(char, wildcards) for char in text)
        parts = []
        for match in _VARIABLE.finditer(text):
            variable = match[1]
            parts.append(_wildcard(match[0], wildcards) if variable is None else re.escape(self._variable(variable)))
        return "".join(parts)

    def _variable(self, text: str) -> str:
        name, found, default = text.partition(",")
        if name in ("*", "?", "$"):
            return name
        values = self.get(name.strip())
        if values is not None and len(values) == 1:
            return values[0]
        if found:
            return default.strip().strip("'")
        raise Unresolved(name)


def _wildcard(text: str, wildcards: bool) -> str:
    return {"*": ".*", "?": "."}.get(text, re.escape(text)) if wildcards else re.escape(text)
