"""Plain eager torch; `torch_eager.py JOB inplace` with ReLUs that are written in place."""

from __future__ import annotations

import sys

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
made = modules.model(job, inplace="inplace" in sys.argv)
loop(job, modules.steps(job, made, made), Clock())
