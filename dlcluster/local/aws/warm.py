"""Load what the first calls would wait for: service models, moto's services, clients."""

from __future__ import annotations

import logging
import threading
from typing import Any

log = logging.getLogger(__name__)

# A harmless read of every service that a cluster's stack uses.
_READS = {
    "ec2": "DescribeVpcs",
    "s3": "ListBuckets",
    "iam": "ListRoles",
    "ssm": "DescribeParameters",
    "logs": "DescribeLogGroups",
    "sts": "GetCallerIdentity",
}
_lock = threading.Lock()
_warm: set[str] = set()


def warm_up(emulator: Any, region: str) -> None:
    """Read once from every common service, past the front (no call is logged, no fault strikes)."""
    with _lock:
        if region in _warm:
            return
        _warm.add(region)
    for service, action in _READS.items():
        try:
            emulator.backend.call(service, action, {}, region)
            emulator.client(service, region, origin="cloudformation")
        except Exception:
            log.exception("warming up %s", service)


def warm_up_soon(emulator: Any, region: str = "us-east-1") -> None:
    """Warm up in a thread, once per process and region."""
    threading.Thread(target=warm_up, args=(emulator, region), name="warm-up", daemon=True).start()
