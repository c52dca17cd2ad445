"""What a training step can be given beyond plain torch, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The settings of one run; the default is plain eager torch.

    channels_last: 2-d convolutions hold their weights in that order, and so hand on activations in it.
    inplace: ReLU layers that overwrite their input, by name. pool_first: pairs (ReLU, MaxPool2d) run in reverse order.
    padded: pairs of convolutions with channels of zeros between them. norms: local response normalizations in few
    passes. fused: the optimizer updates all parameters in one kernel. threads: 0 leaves torch's number.
    compile: torch.compile. branches: independent branches run together. graph: forward and backward are replayed as
    CUDA graphs.
    """

    channels_last: bool = False
    inplace: tuple[str, ...] = ()
    pool_first: tuple[tuple[str, str], ...] = ()
    padded: tuple[tuple[str, str], ...] = ()
    norms: tuple[str, ...] = ()
    fused: bool = False
    allocator: bool = False
    threads: int = 0
    compile: bool = False
    branches: bool = False
    graph: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """The plan that `dataclasses.asdict` took apart, also after JSON made lists of the tuples."""
        values = {"padded": (), "norms": ()} | values  # plans of older checkpoints have none
        return cls(**values | {name: _tuples(values[name]) for name in ("inplace", "pool_first", "padded", "norms")})

    def describe(self) -> str:
        """The settings in a few words: "channels_last, ReLU after 2 pools, fused optimizer"."""
        parts = {
            "channels_last": self.channels_last,
            f"{_count(len(self.inplace), 'ReLU')} in place": self.inplace,
            f"{_count(len(self.pool_first), 'ReLU')} after pooling": self.pool_first,
            f"{_count(len(self.padded), 'convolution')} padded": self.padded,
            f"{_count(len(self.norms), 'normalization')} in few passes": self.norms,
            "fused optimizer": self.fused,
            "memory kept": self.allocator,
            _count(self.threads, "thread"): self.threads,
            "torch.compile": self.compile,
            "branches together": self.branches,
            "CUDA graph": self.graph,
        }
        return ", ".join(name for name, on in parts.items() if on) or "plain torch"

    def without(self, *fields: str) -> Plan:
        """The same plan with some settings as in plain torch."""
        return replace(self, **{name: getattr(PLAIN, name) for name in fields})


def _tuples(values: Any) -> Any:
    return tuple(_tuples(value) for value in values) if isinstance(values, list | tuple) else values


def _count(number: int, singular: str) -> str:
    return f"{number} {singular}{'s'[: number != 1]}"


PLAIN = Plan()
