"""numpy.lib: windows over arrays are ours, the rest is NumPy's."""

from __future__ import annotations

from typing import Any

import numpy

from dlengine.numpy.lib import stride_tricks as stride_tricks


def __getattr__(name: str) -> Any:
    return getattr(numpy.lib, name)
