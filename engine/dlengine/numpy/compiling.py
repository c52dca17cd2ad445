"""`x @ y` and `~x` for torch.compile: Dynamo gives the other operators to the methods of a class that is not torch's.

Without this, it refuses these two, and with a tensor on the right of an array's `@` it swaps the factors.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch._dynamo.variables import builtin
from torch._dynamo.variables.user_defined import UserDefinedVariable

MATMUL = ["__matmul__", "__rmatmul__", "__imatmul__"]


def trace_operators() -> None:
    """Let Dynamo trace `@` as it does `**`, and `~` as it does `-`. It reads its tables at the first compilation."""
    builtin.BuiltinVariable._binops()[operator.matmul] = (MATMUL, operator.imatmul)
    for each in (operator.matmul, operator.imatmul):
        builtin.BUILTIN_TO_TENSOR_RFN_MAP[each] = torch.Tensor.__rmatmul__
    builtin.BuiltinVariable.call_invert = _invert  # type: ignore[attr-defined]


def _invert(self: Any, tx: Any, value: Any) -> Any:
    """None leaves it to Dynamo's other ways."""
    return value.call_method(tx, "__invert__", [], {}) if isinstance(value, UserDefinedVariable) else None
