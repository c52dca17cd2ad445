"""NumPy that differentiates and runs on any device: `import dlengine.numpy as np`, then ordinary NumPy code.

`ndarray` holds a torch tensor (`.tensor`). The functions come from the tables (`table_*.py`); what they lack runs in NumPy
on the host, with a warning. docs/numpy.md lists coverage and every deviation.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _numpy

from dlengine.numpy import fallback as _fallback
from dlengine.numpy import methods as _methods
from dlengine.numpy import table_creation as _table_creation  # noqa: F401
from dlengine.numpy import table_reductions as _table_reductions  # noqa: F401
from dlengine.numpy import table_shape as _table_shape  # noqa: F401
from dlengine.numpy import table_ufuncs as _table_ufuncs  # noqa: F401 - fills the table, as the next ones do
from dlengine.numpy.check import check_grads
from dlengine.numpy.core import ndarray
from dlengine.numpy.core import wrap as from_tensor
from dlengine.numpy.custom import defjvp, defvjp, primitive
from dlengine.numpy.devices import device
from dlengine.numpy.dtypes import default_float, set_default_float
from dlengine.numpy.fallback import FallbackWarning
from dlengine.numpy.mapping import checkpoint, vmap
from dlengine.numpy.native import NATIVE as _NATIVE
from dlengine.numpy.transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from dlengine.numpy.ufunc import ufunc

_methods.compose()
globals().update(_NATIVE)


def __getattr__(name: str) -> Any:
    """NumPy's constants, types and helpers as they are; its other functions through the host."""
    found = getattr(_numpy, name, None)
    if found is None or name.startswith("_"):
        raise AttributeError(f"module 'dlengine.numpy' has no attribute '{name}'")
    if isinstance(found, type) or not callable(found):
        return found
    return _fallback.fallback(name)
