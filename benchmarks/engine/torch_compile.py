"""The same step through torch.compile."""

from __future__ import annotations

import torch

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
made = modules.model(job)
loop(job, modules.steps(job, torch.compile(made), made), Clock())
