"""Self-tuning: what makes a training step faster without changing what it computes."""

from __future__ import annotations

from dlengine.tune.apply import applied
from dlengine.tune.choice import allowed, by_rule, choose
from dlengine.tune.plan import PLAIN, Plan
from dlengine.tune.prepare import prepared

__all__ = ["PLAIN", "Plan", "allowed", "applied", "by_rule", "choose", "prepared"]
