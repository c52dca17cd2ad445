"""A call of a torch function in which `Ref`s stand for the inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dlengine.symbol.node import Ref


@dataclass(frozen=True)
class Call:
    """`function(*args, **kwargs)`, or a tensor's method of the name `function`."""

    function: Callable[..., Any] | str
    args: tuple[Any, ...] = (Ref(0),)
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *inputs: Any) -> Any:
        args, kwargs = fill(self.args, inputs), fill(self.kwargs, inputs)
        if isinstance(self.function, str):
            return getattr(args[0], self.function)(*args[1:], **kwargs)
        return self.function(*args, **kwargs)


def fill(values: Any, inputs: Sequence[Any]) -> Any:
    """The nested arguments with each Ref replaced by that input."""
    return change(values, lambda value: inputs[value.index] if isinstance(value, Ref) else value)


def change(values: Any, leaf: Callable[[Any], Any]) -> Any:
    """Nested lists, tuples, dicts and slices with every innermost value replaced by `leaf(value)`."""
    if isinstance(values, tuple | list):
        return type(values)([change(value, leaf) for value in values])
    if isinstance(values, dict):
        return {key: change(value, leaf) for key, value in values.items()}
    if isinstance(values, slice):
        return slice(*[change(part, leaf) for part in (values.start, values.stop, values.step)])
    return leaf(values)
