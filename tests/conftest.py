"""How hypothesis draws, and which tests need root.

Hypothesis draws the same examples in every fast run, and new ones in `make test-slow`, to find more.
"""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("fixed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What makes a root file system is slow, and is skipped where none can be made."""
    able = sys.platform.startswith("linux") and os.geteuid() == 0 and shutil.which("debootstrap")
    reason = "a root file system is built by root on Linux with debootstrap"
    for item in items:
        if item.get_closest_marker("root_filesystem"):
            item.add_marker("slow")
            item.add_marker(pytest.mark.timeout(3600))
            item.add_marker(pytest.mark.skipif(not able, reason=reason))
