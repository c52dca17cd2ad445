"""Muon for the matrices of a model, AdamW for the rest of it, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from dlengine.errors import EngineError


class Combined(torch.optim.Optimizer):
    """Several optimizers, each over its own parameters, that step together; groups are those of all of them."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        # The same dictionaries, so that a rate which is set here is the part's.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts, in order."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


def muon(
    model: nn.Module,
    *,
    lr: float = 0.001,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    decay_vectors: bool = True,
) -> torch.optim.Optimizer:
    """Muon (Jordan 2024) over the 2-D weights that are no embeddings, AdamW over embeddings, kernels and vectors.

    Muon's update is scaled to the size of AdamW's (Liu 2025, Moonlight), so that one `lr` fits both.
    Raises EngineError where torch has no Muon (before 2.9).
    """
    if not hasattr(torch.optim, "Muon"):
        raise EngineError(f"torch {torch.__version__} has no Muon", 'install torch 2.9 or newer, or use "adamw"')
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.dim() == 2 and id(parameter) not in tables]
    own = {id(parameter) for parameter in matrices}
    rest = [parameter for parameter in trained if id(parameter) not in own]
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        parts.append(
            torch.optim.Muon(
                matrices, lr=lr, momentum=momentum, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    for members, amount in (
        ([p for p in rest if p.dim() > 1 or decay_vectors], weight_decay),
        ([p for p in rest if p.dim() <= 1 and not decay_vectors], 0.0),
    ):
        if members:
            parts.append(torch.optim.AdamW(members, lr=lr, weight_decay=amount))
    return Combined(parts)
