"""Faults and the call log for other processes: JSON over HTTP, beside the AWS services, with the same trust.

GET    /_emulator/faults          {"faults": [...]}
POST   /_emulator/faults          a Fault's fields; 201 and the fault
DELETE /_emulator/faults[/ID]     {"removed": N}
GET    /_emulator/calls?service=&action=&origin=&failed=1&after=N&limit=N
                                  {"calls": [...], "next": N}: `after=next` continues
DELETE /_emulator/calls           empties the log
POST   /_emulator/interruptions   {"instance": ID, "seconds": N (120)}: a spot interruption, notice first
GET    /_emulator/capacity        {"capacity": [...]}: the rules, each with `used`
POST   /_emulator/capacity        {"type": "p5.*", "zone": "us-east-1a" ("*"), "instances": N}
DELETE /_emulator/capacity[?type=&zone=]   {"removed": N}
POST   /_emulator/rebalances      {"instance": ID}: a rebalance recommendation
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from dlcluster.local.aws.backend import Answer
from dlcluster.local.aws.calls import CallLog
from dlcluster.local.aws.capacity import Capacity, Rule
from dlcluster.local.aws.compute import Compute
from dlcluster.local.aws.faults import Fault, Faults
from dlcluster.local.aws.wire import AwsError

PREFIX = "/_emulator/"
_NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("status", "nth", "seed", "seen", "hits"), int),
    **dict.fromkeys(("probability", "seconds"), int | float),
    "times": int | None,
    "until": int | float | None,
}


class Refused(Exception):
    """A request that cannot be; the text tells why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Control:
    """Answers what lies below PREFIX."""

    def __init__(self, faults: Faults, calls: CallLog, compute: Compute, capacity: Capacity) -> None:
        self._faults = faults
        self._calls = calls
        self._compute = compute
        self._capacity = capacity

    def respond(self, environ: dict[str, Any]) -> Answer:
        """The answer to a WSGI request; 4xx with {"error": ...} for what cannot be."""
        method = environ["REQUEST_METHOD"]
        topic, _, id = environ["PATH_INFO"].removeprefix(PREFIX).partition("/")
        try:
            if topic == "faults":
                return self._on_faults(method, id, environ)
            if topic == "calls" and not id:
                return self._on_calls(method, environ)
            if topic in ("interruptions", "rebalances") and method == "POST" and not id:
                return self._on_spot(topic, environ)
            if topic == "capacity" and not id:
                return self._on_capacity(method, environ)
            raise Refused("there are capacity, faults, calls, interruptions and rebalances below /_emulator/", 404)
        except Refused as refusal:
            return _json({"error": str(refusal)}, refusal.status)

    def _on_faults(self, method: str, id: str, environ: dict[str, Any]) -> Answer:
        if method == "GET" and not id:
            return _json({"faults": [fault.row() for fault in self._faults.rows()]})
        if method == "POST" and not id:
            return _json(self._faults.add(_fault(environ)).row(), 201)
        if method == "DELETE":
            removed = self._faults.clear(id or None)
            if id and not removed:
                raise Refused(f"no such fault: {id}", 404)
            return _json({"removed": removed})
        raise Refused(f"{method} does not apply here", 405)

    def _on_spot(self, topic: str, environ: dict[str, Any]) -> Answer:
        given = _body(environ, "a notice")
        instance_id, seconds = str(given.get("instance", "")), given.get("seconds", 120)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise Refused("'seconds' has to be a number")
        try:
            if topic == "interruptions":
                self._compute.interrupt(instance_id, seconds)
            else:
                self._compute.recommend_rebalance(instance_id)
        except AwsError as error:
            raise Refused(error.message) from None
        return _json({}, 201)

    def _on_capacity(self, method: str, environ: dict[str, Any]) -> Answer:
        if method == "DELETE":
            which = dict(parse_qsl(environ.get("QUERY_STRING", "")))
            return _json({"removed": self._capacity.clear(which.get("type", ""), which.get("zone", ""))})
        if method == "POST":
            given = _body(environ, "capacity")
            if type(given.get("instances")) is not int:
                raise Refused("`instances` has to be a whole number")
            try:
                self._capacity.set(Rule(**given))
            except (ValueError, TypeError) as problem:
                raise Refused(str(problem).replace("Rule.__init__() got an ", "")) from None
        elif method != "GET":
            raise Refused(f"{method} does not apply here", 405)
        return _json({"capacity": self._capacity.rows()}, 201 if method == "POST" else 200)

    def _on_calls(self, method: str, environ: dict[str, Any]) -> Answer:
        if method == "DELETE":
            self._calls.clear()
            return _json({})
        if method != "GET":
            raise Refused(f"{method} does not apply here", 405)
        wanted = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        try:
            after, limit = int(wanted.get("after", 0)), int(wanted.get("limit", 10_000))
        except ValueError:
            raise Refused("`after` and `limit` are numbers") from None
        records, count = self._calls.since(after)
        rows = [record.row() for record in records if record.passes(wanted)]
        return _json({"calls": rows[-limit:] if limit > 0 else [], "next": count})


def _body(environ: dict[str, Any], what: str) -> dict[str, Any]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused(f"{what} is a JSON object")
    return given


def _fault(environ: dict[str, Any]) -> Fault:
    given = _body(environ, "a fault")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, _NUMBERS.get(name, str)):
            raise Refused(f"'{name}' has to be a {'number' if name in _NUMBERS else 'text'}")
    try:
        return Fault(**given)
    except (ValueError, TypeError) as problem:
        raise Refused(str(problem).replace("Fault.__init__() got an ", "")) from None


def _json(value: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(value).encode())
