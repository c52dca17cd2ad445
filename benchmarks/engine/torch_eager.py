"""Plain eager torch; `torch_eager.py JOB inplace`: ReLUs are written in place; `kept`: freed memory stays."""

from __future__ import annotations

import sys

from dlengine.tune.allocator import keeping_memory

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
made = modules.model(job, inplace="inplace" in sys.argv)
with keeping_memory("kept" in sys.argv):
    loop(job, modules.steps(job, made, made), Clock())
