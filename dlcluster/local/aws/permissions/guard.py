"""Refuses what a caller may not do: nodes by the policies of their role, everybody by the policies of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from dlcluster.local.aws.permissions import needs_s3
from dlcluster.local.aws.permissions.needs import needs
from dlcluster.local.aws.permissions.policy import Need, Principal, Verdict, judge
from dlcluster.local.aws.permissions.roles import Role, find_role
from dlcluster.local.aws.permissions.scope import Scope, request_keys
from dlcluster.local.aws.routing import Call
from dlcluster.local.aws.sessions import RoleSession
from dlcluster.local.aws.wire import AwsError

_OWN_POLICY = ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy")  # the owner cannot lock himself out


@dataclass(frozen=True)
class _Caller:
    """Who asks. `role`: of a node, None where it was deleted."""

    principal: Principal
    keys: dict[str, list[str]]
    role: Role | None = None
    is_node: bool = False
    is_anonymous: bool = False


class Permissions:
    """Decides on the calls of one emulated account.

    Nodes are held to the policies of their role. Users (any other access key) may do everything, except what a bucket
    policy denies. Without credentials S3 gives what a bucket policy or an ACL gives to everybody.
    """

    def __init__(self, emulator: Any) -> None:
        self._emulator = emulator
        self._identities: dict[str, dict[str, Any]] = {}

    def check(self, call: Call, environ: dict[str, Any]) -> None:
        """Raise AwsError for a call that its caller may not make."""
        session = self._emulator.compute.sessions.find(call.access_key)
        if session is None and call.service != "s3":
            return
        if session is not None:
            _check_session(session, call, environ)
        bucket = needs_s3.location(environ)[0] if call.service == "s3" else ""
        policy = self._emulator.policies.of(bucket)
        if session is None and policy is None and call.access_key != "anonymous":
            return
        caller = self._node(session, call) if session else self._user(call, environ)
        scope = Scope(self._emulator, call, caller.keys)
        for need in needs(scope, environ):
            self._allow(caller, need, policy, call)
        if caller.is_node and call.action in ("GetObject", "HeadObject") and call.service == "s3":
            self._hide_missing(caller, scope, environ, policy)

    def _allow(self, caller: _Caller, need: Need, policy: str | None, call: Call) -> None:
        resource = judge([policy] if policy else [], need, caller.principal)
        identity, boundary = self._identity(caller, need)
        if caller.is_anonymous and call.action in ("GetObject", "HeadObject"):
            identity.allowed = True  # moto asks the object's ACL
        own = not caller.is_node and call.action in _OWN_POLICY
        for verdict, kind in ((identity, "an identity-based policy"), (resource, "a resource-based policy")):
            if verdict.denied and not own:
                raise _refusal(call, caller, need, f"with an explicit deny in {kind}", verdict.doubts)
        if boundary is not None and (boundary.denied or not boundary.allowed):
            reason = f"because no permissions boundary allows the {need.action} action"
            raise _refusal(call, caller, need, reason, boundary.doubts)
        if not (identity.allowed or resource.allowed):
            reason = f"because no identity-based policy allows the {need.action} action"
            raise _refusal(call, caller, need, reason, identity.doubts + resource.doubts)

    def _identity(self, caller: _Caller, need: Need) -> tuple[Verdict, Verdict | None]:
        """What the caller's own policies say, and their permissions boundary where there is one."""
        if not caller.is_node:
            return Verdict(allowed=not caller.is_anonymous), None
        role = caller.role
        if role is None:
            return Verdict(), None
        boundary = None if role.boundary is None else judge(role.boundary, need)
        return judge(role.policies, need), boundary

    def _hide_missing(self, caller: _Caller, scope: Scope, environ: dict[str, Any], policy: str | None) -> None:
        """Who may not list a bucket is not told that an object does not exist."""
        bucket, key = needs_s3.location(environ)
        try:
            self._allow(caller, needs_s3.listing(scope, bucket), policy, scope.call)
        except AwsError as refusal:
            try:
                self._emulator.backend.call("s3", "HeadObject", {"Bucket": bucket, "Key": key}, scope.call.region)
            except AwsError:
                raise refusal from None

    def _node(self, session: RoleSession, call: Call) -> _Caller:
        account = self._emulator.account_id
        role = find_role(account, session.role)
        instance = self._emulator.compute.find(session.instance_id)
        region = instance.region if instance else call.region
        arn = session_arn(account, session)
        keys = {
            **request_keys(call),
            "aws:PrincipalType": ["AssumedRole"],
            "aws:PrincipalAccount": [account],
            "aws:TokenIssueTime": [session.issued.strftime("%Y-%m-%dT%H:%M:%SZ")],
            "ec2:SourceInstanceARN": [f"arn:aws:ec2:{region}:{account}:instance/{session.instance_id}"],
        }
        if instance:
            keys["aws:Ec2InstanceSourcePrivateIPv4"] = [instance.private_ip]
        if role is None:
            return _Caller(Principal(arn), keys, is_node=True)
        keys["aws:PrincipalArn"] = [role.arn]
        keys["aws:userid"] = [f"{role.id}:{session.instance_id}"]
        keys |= {f"aws:PrincipalTag/{key}": [value] for key, value in role.tags.items()}
        names = frozenset({"*", role.arn, arn})
        return _Caller(Principal(arn, names, names | _owners(account)), keys, role, is_node=True)

    def _user(self, call: Call, environ: dict[str, Any]) -> _Caller:
        address = {"aws:SourceIp": [environ.get("REMOTE_ADDR", "")]}
        if call.access_key == "anonymous":
            keys = {**request_keys(call), **address, "aws:PrincipalType": ["Anonymous"]}
            return _Caller(Principal("anonymous"), keys, is_anonymous=True)
        account = self._emulator.account_id
        who = self._identities.get(call.access_key)
        if who is None:  # an access key belongs to one user for ever
            who = self._emulator.backend.call("sts", "GetCallerIdentity", {}, call.region, call.access_key)
            self._identities[call.access_key] = who
        keys = {
            **request_keys(call),
            **address,
            "aws:PrincipalType": ["User"],
            "aws:PrincipalAccount": [account],
            "aws:PrincipalArn": [who["Arn"]],
            "aws:userid": [who["UserId"]],
            "aws:username": [who["Arn"].rpartition("/")[2]],
        }
        names = frozenset({"*", who["Arn"]})
        return _Caller(Principal(who["Arn"], names, names | _owners(account)), keys)


def session_arn(account_id: str, session: RoleSession) -> str:
    """The ARN of an instance's session with its role."""
    return f"arn:aws:sts::{account_id}:assumed-role/{session.role}/{session.instance_id}"


def _owners(account_id: str) -> frozenset[str]:
    return frozenset({account_id, f"arn:aws:iam::{account_id}:root"})


def _check_session(session: RoleSession, call: Call, environ: dict[str, Any]) -> None:
    """Role credentials are a key and a token, and end."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or query.get("X-Amz-Security-Token")
    token = token or query.get("x-amz-security-token")
    if token != session.token:
        raise _INVALID.get(call.service) or _by_protocol(call, "InvalidClientTokenId", "UnrecognizedClientException")
    if session.expires <= datetime.now(UTC):
        raise _EXPIRED.get(call.service) or _by_protocol(call, "ExpiredToken", "ExpiredTokenException")


_INVALID = {
    "ec2": AwsError("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    "s3": AwsError("InvalidToken", "The provided token is malformed or otherwise invalid.", 400),
}
_EXPIRED = {
    "ec2": AwsError("RequestExpired", "Request has expired.", 400),
    "s3": AwsError("ExpiredToken", "The provided token has expired.", 400),
}


def _by_protocol(call: Call, code: str, json_code: str) -> AwsError:
    fault = "expired" if code == "ExpiredToken" else "invalid"
    message = f"The security token included in the request is {fault}."
    return AwsError(json_code, message, 400) if call.protocol == "json" else AwsError(code, message, 403)


def _refusal(call: Call, caller: _Caller, need: Need, reason: str, doubts: list[str]) -> AwsError:
    """AWS's words; then, in brackets, what the emulator could not decide."""
    quote = '"' if call.service == "s3" else ""
    who = caller.principal.arn
    message = f"User: {who} is not authorized to perform: {need.action} on resource: {quote}{need.resource}{quote} "
    message += reason
    if doubts:
        message += f" (the emulator does not know {', '.join(dict.fromkeys(doubts))}, on which it depends)"
    if call.service == "ec2":
        text = f"You are not authorized to perform this operation. {message}"
        return AwsError("UnauthorizedOperation", text, 403)
    if call.protocol == "json":
        return AwsError("AccessDeniedException", message, 400)
    return AwsError("AccessDenied", message, 403)
