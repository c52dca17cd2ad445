"""Errors of layers: which layer it was, what it was given, and which line of the caller's code."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import torch

from dlengine.errors import EngineError

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")


def blame(layer: str, inputs: list[Any], error: Exception) -> EngineError:
    """The error for a layer that cannot take its inputs: which, and all shapes."""
    shapes = [str(tuple(value.shape)) for value in inputs if isinstance(value, torch.Tensor)]
    given = f"got {' and '.join(shapes)}" if shapes else "failed"
    if isinstance(error, EngineError):
        return EngineError(f"{layer} {given}: {error.what}", error.hint)
    hint = "fix the layer, or the shape of the data"
    if not shapes:
        hint = "give torch tensors, or dlengine.numpy arrays"
    elif "dtype" in str(error):
        hint = "convert the data, for example x.astype('float32'), or the network: net.to(dtype)"
    return EngineError(f"{layer} {given}: {reason(error)}{place(error)}", hint)


def reason(error: Exception) -> str:
    """The first line of an error's text, or its type."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def place(error: Exception) -> str:
    """The caller's own line among the frames of an error, outside of torch and of graphs; "" when there is none."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_LIBRARIES)]
    return f" ({own[-1].filename}:{own[-1].lineno}: {own[-1].line})" if own else ""


def passed_through(error: Exception, file: str) -> bool:
    """Whether an error came up through code of this file."""
    return any(frame.f_code.co_filename == file for frame, _ in traceback.walk_tb(error.__traceback__))
