"""A hand-written loop under the settings of `fit`: what `fit` itself costs is the difference."""

from __future__ import annotations

import torch
from dlengine.tune import applied, by_rule
from dlengine.tune.allocator import keeping_memory

from benchmarks.engine import modules
from benchmarks.engine.clock import Clock, Job, loop

job = Job()
made = modules.model(job)
own = modules.optimizer(job, made)
plan = by_rule(made, own, torch.device("cpu"))
with keeping_memory(plan.allocator), applied(plan, made, own):
    loop(job, modules.steps(job, made, made, own), Clock())
