"""Credentials of instance roles: who an access key belongs to, and for how long."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_KEY = re.compile(r"ASIA([A-Z2-7]{16})")
_SERIAL_BITS = 12  # an access key holds 80 bits, an instance id 68 of them
_KEPT = timedelta(days=1)  # how long keys that ended are still told from keys that never were


@dataclass(frozen=True)
class RoleSession:
    """Temporary credentials that the metadata service of an instance hands out."""

    instance_id: str
    role: str | None
    access_key: str
    secret: str
    token: str
    issued: datetime
    expires: datetime

    def document(self) -> dict[str, str]:
        """As the instance metadata service words it."""
        return {
            "Code": "Success",
            "LastUpdated": self.issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Type": "AWS-HMAC",
            "AccessKeyId": self.access_key,
            "SecretAccessKey": self.secret,
            "Token": self.token,
            "Expiration": self.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class RoleSessions:
    """All sessions of instance roles. `lifetime` holds for those that begin from now on.

    An instance keeps its credentials until a sixth of their lifetime is left (an hour of six); then it is given new
    ones, and the old ones stay valid to their end. AWS promises new ones at least five minutes before the end.
    """

    def __init__(self) -> None:
        self.lifetime = timedelta(hours=6)
        self._lock = threading.Lock()
        self._by_key: dict[str, RoleSession] = {}
        self._current: dict[str, RoleSession] = {}

    def current(self, instance_id: str, role: str | None) -> RoleSession:
        """The credentials of an instance now."""
        now = datetime.now(UTC)
        with self._lock:
            session = self._current.get(instance_id)
            if session is None or session.role != role or session.expires - now < self.lifetime / 6:
                session = self._current[instance_id] = self._new(instance_id, role, now)
                self._by_key = {key: item for key, item in self._by_key.items() if item.expires > now - _KEPT}
                self._by_key[session.access_key] = session
            return session

    def find(self, access_key: str) -> RoleSession | None:
        """The session of an access key, expired ones included; None for a key of somebody else."""
        with self._lock:
            return self._by_key.get(access_key)

    def expire(self, instance_id: str) -> None:
        """End the credentials of an instance at once; it is given new ones when it asks."""
        now = datetime.now(UTC)
        with self._lock:
            self._current.pop(instance_id, None)
            for key, item in self._by_key.items():
                if item.instance_id == instance_id:
                    ended = RoleSession(**{**vars(item), "expires": min(item.expires, now)})
                    self._by_key[key] = ended

    def _new(self, instance_id: str, role: str | None, now: datetime) -> RoleSession:
        return RoleSession(
            instance_id=instance_id,
            role=role,
            access_key=_access_key(instance_id, secrets.randbits(_SERIAL_BITS)),
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(120),
            issued=now,
            expires=now + self.lifetime,
        )


def instance_of(access_key: str) -> str | None:
    """The instance that an access key names; None for a key that is not a session's."""
    match = _KEY.fullmatch(access_key)
    if match is None:
        return None
    return f"i-{int.from_bytes(base64.b32decode(match[1])) >> _SERIAL_BITS:017x}"


def _access_key(instance_id: str, serial: int) -> str:
    number = int(instance_id.removeprefix("i-"), 16) << _SERIAL_BITS | serial
    return "ASIA" + base64.b32encode(number.to_bytes(10)).decode()
