"""What the steps call in place of the model, as a plan says."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from dlengine.tune import graph
from dlengine.tune.branches import Parallel
from dlengine.tune.plan import Plan


def prepared(plan: Plan, model: nn.Module, x: torch.Tensor, cast: graph.Cast = nullcontext) -> tuple[nn.Module, Plan]:
    """A module with the model's parameters, and the plan less what this model does not allow.

    x: a batch like those to come. cast: the autocast under which the steps run. To be called inside `applied`.
    """
    made = model
    if plan.branches:
        parallel = Parallel.of(model)
        if parallel is None:
            plan = plan.without("branches")
        else:
            made = parallel
    if plan.graph:
        try:
            if not graph.fits(model):
                raise ValueError("this model cannot be replayed")
            made = graph.Graphed(made, x, cast)
        except Exception:  # CUDA refuses to record much that a user's code may do, in many ways; then it is called
            plan = plan.without("graph")
    if plan.compile:
        made = torch.compile(made)  # type: ignore[assignment]
    return made, plan
