"""What this node knows of its jobs, in one line: {"running": [job, ...], "status": {job: status.json}}. Payload: {}."""

from __future__ import annotations

import json
from typing import Any

from . import files


def main(payload: dict[str, Any]) -> int:
    known = {job: files.status(job) for job in files.jobs()}
    print(json.dumps({"running": files.running_jobs(), "status": known}), flush=True)
    return 0
