from __future__ import annotations

import pytest

from dlcluster.cli import hints


@pytest.fixture(autouse=True)
def no_cluster_was_meant(monkeypatch):
    """Which cluster messages name is a process's own; tests share one."""
    monkeypatch.setattr(hints, "_options", str)
