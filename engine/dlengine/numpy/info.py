"""`__array_namespace_info__`: what the Python array API standard asks a namespace to say of itself."""

from __future__ import annotations

from typing import Any

import torch

from dlengine.numpy import devices
from dlengine.numpy.dtypes import TO_NUMPY, default_complex, default_float

_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]
API_VERSION = "2025.12"


class Info:
    """The answers, for this machine and the current defaults."""

    def capabilities(self) -> dict[str, Any]:
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> torch.device:
        return devices.pick()

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        where = devices.pick(device)
        return {
            "real floating": TO_NUMPY[devices.fitting(default_float(), where)],
            "complex floating": TO_NUMPY[devices.fitting(default_complex(), where)],
            "integral": TO_NUMPY[torch.int64],
            "indexing": TO_NUMPY[torch.int64],
        }

    def devices(self) -> tuple[torch.device, ...]:
        found = [torch.device("cpu")]
        found += [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
        return tuple(found + ([torch.device("mps")] if torch.backends.mps.is_available() else []))

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        where = devices.pick(device)
        kinds = ("bool", "numeric") if kind is None else kind if isinstance(kind, tuple) else (kind,)
        unknown = [k for k in kinds if k not in _KINDS]
        if unknown:
            raise ValueError(f"unknown kind {unknown[0]!r}; known: {', '.join(_KINDS)}")
        names = dict.fromkeys(name for k in kinds for name in _KINDS[k])
        held = {name: getattr(torch, name) for name in names}
        return {name: TO_NUMPY[d] for name, d in held.items() if devices.fitting(d, where) is d}


def namespace_info() -> Info:
    return Info()
