"""Faults that a test or a rehearsal asks for: which calls fail, and how AWS would say it."""

from __future__ import annotations

from dlcluster.local.aws.faults.book import Faults, Strike
from dlcluster.local.aws.faults.fault import KINDS, Fault

__all__ = ["KINDS", "Fault", "Faults", "Strike"]
