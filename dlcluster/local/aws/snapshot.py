"""The whole emulated account as bytes, and back.

moto's state and ours go into one pickle, so that shared objects stay shared. It fits only the same Python, the
same moto and the same code of this package: `fingerprint` names them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import io
import marshal
import pickle
import platform
import sys
import threading
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.model import ServiceModel
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from dlcluster.local.aws.wire import service_model

if TYPE_CHECKING:
    from dlcluster.local.aws.front import Emulator

NOT_KEPT = ("calls", "faults")  # the call log and the faults belong to a rehearsal, not to the account
_DEPTH = 5_000  # objects refer to each other in chains; a thread's stack holds more than this
_PATIENCE = 2.0  # seconds for a lock: whoever holds it may wait for one of ours
_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
_OF_MOTO = ("backend", "service_name", "_use_boto3_regions", "_additional_regions", "_id")


class Busy(Exception):
    """Something is under way that a snapshot would cut in two."""


@contextlib.contextmanager
def held(*locks: Any) -> Iterator[None]:
    """Hold the locks; raises Busy, and holds none, when one of them does not come soon."""
    with contextlib.ExitStack() as stack:
        for lock in locks:
            if not lock.acquire(timeout=_PATIENCE):
                raise Busy("another call takes long")
            stack.callback(lock.release)
        yield


@functools.cache
def fingerprint() -> str:
    """What a snapshot fits: the versions of Python and moto, and a digest of this package's code."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    moto = importlib.metadata.version("moto")
    return f"python {platform.python_version()}, moto {moto}, code {digest.hexdigest()[:16]}"


def dump(emulator: Emulator, *, wait: bool = True) -> bytes:
    """The account as bytes. Raises Busy while operations run (wait=False: takes them as they are), else
    pickle.PicklingError or TypeError for a state that cannot be kept.
    """
    services = _services(emulator)
    # Stack operations wait for other services, never the other way round.
    ordered = sorted(services, key=lambda name: not name.startswith("cloudformation/"))
    with contextlib.ExitStack() as stack, _deep():
        for name in ordered:
            stack.enter_context(services[name].quiet(strict=wait))
        stack.enter_context(held(emulator.backend.lock))
        live = _live(emulator)
        buffer = io.BytesIO()
        _Pickler(buffer, live).dump({"moto": _moto_state(), "own": _own_state(emulator, live)})
        return buffer.getvalue()


def load(emulator: Emulator, data: bytes) -> None:
    """Make a new emulator hold what `dump` took. Call before it serves."""
    live = _live(emulator)
    with _deep():
        state = _Unpickler(io.BytesIO(data), live).load()
    for name, values in state["own"].items():
        vars(live[name]).update(values)
    for backend_class, (extra, entries) in state["moto"].items():
        backends = _backend_dict(backend_class)
        vars(backends).update(extra)
        for (account_id, region), backend in entries.items():
            backends[account_id][region] = backend
    emulator.compute.restored()
    for service in _services(emulator).values():
        service.restored()


def stacks(emulator: Emulator) -> list[str]:
    """The names of the stacks that are not deleted."""
    (formation,) = emulator.services["cloudformation"]
    return sorted(stack.name for stack in formation.registry.alive())  # type: ignore[attr-defined]


def _moto_state() -> dict[type, Any]:
    """Every backend that was used, by its class, with what the dictionary of its kind keeps beside them."""
    from moto.core.base_backend import BackendDict

    state = {}
    for backends in BackendDict._instances:
        extra = {name: value for name, value in vars(backends).items() if name not in _OF_MOTO}
        entries = {(account, region): backend for account, region, backend in backends.iter_backends()}
        if backends.service_name != "moto_api":
            state[backends.backend] = extra, entries
    return state


def _backend_dict(backend_class: type) -> Any:
    from moto.core.base_backend import BackendDict

    for value in vars(importlib.import_module(backend_class.__module__)).values():
        if isinstance(value, BackendDict) and value.backend is backend_class:
            return value
    raise LookupError(f"moto has no backends of {backend_class}")


def _live(emulator: Emulator) -> dict[str, Any]:
    """The objects that a new process makes anew, by name: the emulator, its parts and its services."""
    parts = {name: value for name, value in vars(emulator).items() if type(value).__module__.startswith(__package__)}
    return {"emulator": emulator, **parts, **_services(emulator)}


def _services(emulator: Emulator) -> dict[str, Any]:
    return {
        f"{name}/{type(service).__name__}": service for name, group in emulator.services.items() for service in group
    }


def _own_state(emulator: Emulator, live: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What every part and service remembers: its attributes, except what the new process makes anew."""
    anew = {id(item) for item in live.values()}
    skip = {"emulator", "backend", *NOT_KEPT}
    return {
        name: {
            key: value
            for key, value in vars(item).items()
            if id(value) not in anew and not callable(value) and not isinstance(value, ServiceModel)
        }
        for name, item in live.items()
        if name not in skip
    }


@contextlib.contextmanager
def _deep() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Pickler(pickle.Pickler):
    """Names live objects, and takes apart what pickle refuses: locks, threads, keys, functions without a name."""

    def __init__(self, file: io.BytesIO, live: dict[str, Any]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = {id(item): name for name, item in live.items()}

    def reducer_override(self, item: Any) -> Any:
        name = self._names.get(id(item))
        if name is not None:
            return _named, (name,)
        kind = type(item)
        if kind in _LOCKS:
            return _LOCKS[kind], ()
        if kind is types.FunctionType and "<locals>" in item.__qualname__:
            return _function_parts(item)
        for base, reduce in _REDUCERS:
            if isinstance(item, base):
                return reduce(item)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, live: dict[str, Any]) -> None:
        super().__init__(file)
        self._live = live

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (__name__, "_named"):
            return self._live.__getitem__
        return super().find_class(module, name)


def _named(name: str) -> Any:
    raise RuntimeError(f"{name} is looked up by the unpickler")


def _function_parts(function: types.FunctionType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    code = marshal.dumps(function.__code__)
    return _function, (code, function.__module__, function.__name__, function.__defaults__, cells)


def _function(code: bytes, module: str, name: str, defaults: Any, cells: tuple[Any, ...]) -> types.FunctionType:
    scope = vars(importlib.import_module(module))
    return types.FunctionType(marshal.loads(code), scope, name, defaults, tuple(map(types.CellType, cells)))


def _default_dict_parts(item: Any) -> tuple[Any, ...]:
    """moto derives from defaultdict with another __init__, which pickle would call."""
    state = vars(item) if hasattr(item, "__dict__") else None
    return _bare, (type(item),), (state, {"default_factory": item.default_factory}), None, iter(item.items())


def _bare(kind: type[Any]) -> Any:
    return kind.__new__(kind)  # type: ignore[call-overload]


def _event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def _nothing() -> None:
    """What is left of a thread."""


def _private_key_parts(key: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    plain = serialization.NoEncryption()
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return _private_key, (data,)


def _public_key_parts(key: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _public_key, (key.public_bytes(serialization.Encoding.PEM, form),)


def _private_key(data: bytes) -> Any:
    return serialization.load_pem_private_key(data, None)


def _public_key(data: bytes) -> Any:
    return serialization.load_pem_public_key(data)


_REDUCERS: list[tuple[Any, Callable[[Any], Any]]] = [
    (defaultdict, _default_dict_parts),
    (threading.Event, lambda item: (_event, (item.is_set(),))),
    (threading.Thread, lambda _: (_nothing, ())),
    (ServiceModel, lambda item: (service_model, (item.service_name,))),
    (PrivateKeyTypes, _private_key_parts),
    (PublicKeyTypes, _public_key_parts),
]
