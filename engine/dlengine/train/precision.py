"""In which numbers the model computes; its weights stay float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from dlengine.errors import EngineError

LEAST_SCALE = 2.0**-10


class Precision:
    """ "float32", "bf16" or "fp16" under torch's autocast; fp16 with scaled gradients, lest small ones become 0.

    "auto" is bf16 on a GPU that has it, else float32.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name == "auto":
            name = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
        self.name = name
        self.scales = name == "fp16"
        self._device = device
        self._type = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self.scales)

    def cast(self) -> AbstractContextManager[Any]:
        """A block for the forward pass and the loss."""
        return nullcontext() if self._type is None else torch.autocast(self._device.type, self._type)

    def scale(self, loss: torch.Tensor) -> torch.Tensor:
        """The loss to go backward from."""
        return self._scaler.scale(loss) if self.scales else loss

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Give the gradients their own size again."""
        if self.scales:
            self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Move the weights; with scaled gradients, not when one overflowed. Raises EngineError when all do."""
        if not self.scales:
            optimizer.step()
            return
        self._scaler.step(optimizer)
        self._scaler.update()
        if self._scaler.get_scale() < LEAST_SCALE:
            raise EngineError(
                "the gradients are not finite in fp16, however small the loss is scaled",
                'use precision="bf16" or "float32", or a smaller lr',
            )

    def state(self) -> dict[str, Any]:
        """The scale, for a checkpoint."""
        return self._scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        if state:
            self._scaler.load_state_dict(state)
