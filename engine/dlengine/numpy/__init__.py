"""NumPy that differentiates and runs on any device: `import dlengine.numpy as np`, then ordinary NumPy code.

`ndarray` holds a torch tensor (`.tensor`). The functions come from the tables (`table_*.py`); what they lack runs in
NumPy on the host, with a warning. docs/numpy.md lists coverage and every deviation.
"""

from __future__ import annotations

import importlib
import types
from typing import Any

import numpy as _numpy

from dlengine.numpy import compiling as _compiling
from dlengine.numpy import fallback as _fallback
from dlengine.numpy import methods as _methods
from dlengine.numpy.native import NATIVE as _NATIVE

_TABLES = (
    "ufuncs reductions creation shape join sorting select sets indices numbers products quantiles histograms compare "
    "windows nan polynomials host"
)
for _table in _TABLES.split():
    importlib.import_module(f"dlengine.numpy.table_{_table}")
_methods.compose()
_compiling.trace_operators()

from dlengine.numpy import fft as fft  # noqa: E402 - the tables come first
from dlengine.numpy import lib as lib  # noqa: E402
from dlengine.numpy import linalg as linalg  # noqa: E402
from dlengine.numpy import random as random  # noqa: E402
from dlengine.numpy.check import check_grads as check_grads  # noqa: E402
from dlengine.numpy.core import ndarray as ndarray  # noqa: E402
from dlengine.numpy.core import wrap as from_tensor  # noqa: E402
from dlengine.numpy.custom import defjvp as defjvp  # noqa: E402
from dlengine.numpy.custom import defvjp as defvjp  # noqa: E402
from dlengine.numpy.custom import primitive as primitive  # noqa: E402
from dlengine.numpy.devices import device as device  # noqa: E402
from dlengine.numpy.dtypes import set_default_float as set_default_float  # noqa: E402
from dlengine.numpy.fallback import FallbackWarning as FallbackWarning  # noqa: E402
from dlengine.numpy.grids import c_ as c_  # noqa: E402
from dlengine.numpy.grids import mgrid as mgrid  # noqa: E402
from dlengine.numpy.grids import ogrid as ogrid  # noqa: E402
from dlengine.numpy.grids import r_ as r_  # noqa: E402
from dlengine.numpy.info import API_VERSION as __array_api_version__  # noqa: E402, F401
from dlengine.numpy.info import namespace_info as __array_namespace_info__  # noqa: E402, F401
from dlengine.numpy.mapping import checkpoint as checkpoint  # noqa: E402
from dlengine.numpy.mapping import vmap as vmap  # noqa: E402
from dlengine.numpy.stats import op_statistics as op_statistics  # noqa: E402
from dlengine.numpy.table_host import HOST as _HOST  # noqa: E402
from dlengine.numpy.table_host import vectorize as vectorize  # noqa: E402
from dlengine.numpy.transforms import elementwise_grad as elementwise_grad  # noqa: E402
from dlengine.numpy.transforms import grad as grad  # noqa: E402
from dlengine.numpy.transforms import hessian as hessian  # noqa: E402
from dlengine.numpy.transforms import hvp as hvp  # noqa: E402
from dlengine.numpy.transforms import jacobian as jacobian  # noqa: E402
from dlengine.numpy.transforms import jvp as jvp  # noqa: E402
from dlengine.numpy.transforms import stop_gradient as stop_gradient  # noqa: E402
from dlengine.numpy.transforms import value_and_grad as value_and_grad  # noqa: E402
from dlengine.numpy.transforms import vjp as vjp  # noqa: E402
from dlengine.numpy.tree import tree_map as tree_map  # noqa: E402
from dlengine.numpy.ufunc import ufunc as ufunc  # noqa: E402

_OURS = frozenset(globals())
for _name in dir(_numpy):  # NumPy's constants, types and other objects are ours as they are
    _found = getattr(_numpy, _name)
    _kept = isinstance(_found, type) or not (callable(_found) or isinstance(_found, types.ModuleType))
    if _name[0] != "_" and _name not in _OURS and _kept:
        globals()[_name] = _found
globals().update(_HOST)
globals().update(_NATIVE)

__all__ = ["fft", "from_tensor", "lib", "linalg", "random"]
__all__ += [
    _name for _name in globals() if _name[0] != "_" and _name not in ("annotations", "importlib", "types", "Any")
]


def __getattr__(name: str) -> Any:
    """The functions that only NumPy has: they run on the host."""
    found = getattr(_numpy, name, None)
    if found is None or name[0] == "_":
        raise AttributeError(f"module 'dlengine.numpy' has no attribute '{name}'")
    return _fallback.fallback(name) if callable(found) else found
