"""A data set that lies in memory: inputs and targets of equal length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from dlengine.errors import EngineError

if TYPE_CHECKING:
    import torch


class Batches(Protocol):
    """What `fit` needs of data: how many samples there are, and those at given places."""

    def __len__(self) -> int: ...

    def batch(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor]: ...


def want_batches(data: object, what: str) -> None:
    """Raise EngineError, which begins with `what`, for what is no data set."""
    if not hasattr(data, "batch") or not hasattr(data, "__len__"):
        raise EngineError(
            f"{what} a {type(data).__name__}",
            "give a data set with len() and batch(), such as dlengine.data.Dataset(x, y)",
        )


class Dataset:
    """Inputs `x` and targets `y`, NumPy arrays or torch tensors, first axis = samples.

    float64 becomes float32 and integer targets become int64, the types that torch trains with; everything else stays.
    Any object with `len()` and `batch(indices) -> (x, y)` can stand in for a Dataset.
    Raises EngineError when the two differ in length, are empty, or hold anything but numbers.
    """

    def __init__(self, x: Any, y: Any) -> None:
        self.classes: list[str] | None = None  # names of the class numbers, where a file gave them
        self.x = _tensor(x, "inputs")
        self.y = _tensor(y, "targets")
        if not self.y.is_floating_point():
            self.y = self.y.long()
        if len(self.x) != len(self.y):
            raise EngineError(
                f"{len(self.x)} inputs but {len(self.y)} targets",
                "the first axis of both counts the samples; it must be the same",
            )
        if len(self.x) == 0:
            raise EngineError("the data set is empty", "check the file or the filter that it comes from")

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} samples, x {tuple(self.x.shape[1:])} {self.x.dtype}, y {self.y.dtype})"

    def batch(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples at `indices` (integers), as one tensor of inputs and one of targets."""
        import torch

        chosen = torch.as_tensor(indices, dtype=torch.long)
        return _rows(self.x, chosen), _rows(self.y, chosen)


def _rows(tensor: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The rows of a tensor at `chosen`; torch aligns the copy, which NumPy does not, and layers read it faster so."""
    return tensor.index_select(0, chosen.to(tensor.device))


def _tensor(values: Any, what: str) -> torch.Tensor:
    import torch

    try:
        tensor = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        kind = getattr(values, "dtype", type(values).__name__)
        raise EngineError(f"{what} of type {kind} cannot become a tensor: {error}", "give numbers") from None
    if tensor.dim() == 0:
        raise EngineError(f"{what} are a single number", "give an array whose first axis counts the samples")
    if tensor.is_complex():
        raise EngineError(f"{what} are complex ({tensor.dtype})", "split them in real and imaginary parts")
    return tensor.float() if tensor.dtype == torch.float64 else tensor
