"""Candidates timed against each other on copies: the run itself never notices."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import nn

from dlengine.tune import allocator
from dlengine.tune.apply import applied
from dlengine.tune.graph import Cast
from dlengine.tune.plan import Plan
from dlengine.tune.prepare import prepared

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

BLOCK = 0.03  # seconds at least between two looks at the clock


class Trial:
    """Training steps of a copy of the model on one batch; cast: the autocast for the forward pass and the loss."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss,
        x: torch.Tensor,
        y: torch.Tensor,
        cast: Cast = nullcontext,
    ) -> None:
        # Together, so that the copied optimizer holds the copied parameters.
        self._model, self._optimizer = copy.deepcopy((model, optimizer))
        self._model.train()
        self._loss, self._x, self._y, self._cast = loss, x, y, cast
        self._prepared: dict[Plan, nn.Module | None] = {}

    def seconds(self, plan: Plan, steps: int) -> float:
        """Wall time of one step, the mean of `steps`; infinite for a plan that this model does not allow."""
        with applied(plan, self._model, self._optimizer):
            self._optimizer.zero_grad(set_to_none=True)
            model = self._made(plan)
            if model is None:
                return math.inf
            self._wait()
            began = time.perf_counter()
            for _ in range(steps):
                self._optimizer.zero_grad(set_to_none=True)
                with self._cast():
                    loss = self._loss(model(self._x), self._y)
                loss.backward()
                self._optimizer.step()
            self._wait()
            return (time.perf_counter() - began) / steps

    def _made(self, plan: Plan) -> nn.Module | None:
        """What the plan's steps call, made once: tracing and recording take their time."""
        if plan not in self._prepared:
            made, possible = prepared(plan, self._model, self._x, self._cast)
            self._prepared[plan] = made if possible == plan else None
        return self._prepared[plan]

    def compare(self, plans: Sequence[Plan], rounds: int, step: float) -> list[list[float]]:
        """Seconds of a step under each plan, by round; the plans take turns, so that other load meets all alike."""
        steps = max(1, round(BLOCK / step))
        times: list[list[float]] = [[] for _ in plans]
        for number in range(rounds + 1):
            for plan, found in zip(plans, times, strict=True):
                if plan.allocator:  # or memory that another plan has cut into pieces stays beside what this one needs
                    allocator.give_back()
                    self.seconds(plan, 1)
                took = self.seconds(plan, steps)
                if number:  # the first round prepares kernels
                    found.append(took)
        return times

    def _wait(self) -> None:
        if self._x.device.type == "cuda":
            torch.cuda.synchronize(self._x.device)
