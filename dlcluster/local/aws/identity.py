"""Who a caller is: GetCallerIdentity, which moto cannot answer for the session of an instance role."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.permissions.guard import session_arn
from dlcluster.local.aws.permissions.roles import find_role
from dlcluster.local.aws.query import Context, QueryService


class Identity(QueryService):
    """GetCallerIdentity; moto answers it for users."""

    complete = False

    def __init__(self, emulator: Any) -> None:
        super().__init__("sts")
        self._emulator = emulator

    def get_caller_identity(self, params: dict[str, Any], context: Context) -> dict[str, Any]:
        session = self._emulator.compute.sessions.find(context.access_key)
        if session is None:
            backend = self._emulator.backend
            found = backend.call("sts", "GetCallerIdentity", params, context.region, context.access_key)
            if ":user/" in found["Arn"]:  # users are IAM's, sessions STS's
                found["Arn"] = found["Arn"].replace(":sts::", ":iam::")
            return dict(found)
        role = find_role(context.account_id, session.role)
        return {
            "UserId": f"{role.id if role else 'AROA'}:{session.instance_id}",
            "Account": context.account_id,
            "Arn": session_arn(context.account_id, session),
        }
