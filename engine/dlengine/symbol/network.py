"""Network: a bound graph, which is a torch module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from dlengine.errors import EngineError
from dlengine.symbol import python
from dlengine.symbol.arrays import is_array, unwrap, wrap
from dlengine.symbol.blame import blame, passed_through
from dlengine.symbol.outputs import Head


class Network(fx.GraphModule):
    """A torch.fx GraphModule that takes `dlengine.numpy` arrays too, and names the layer that cannot take its input."""

    def __init__(self, root: Any, graph: fx.Graph, heads: Sequence[str | None] = ()) -> None:
        super().__init__(root, graph, "Network")
        self.meta["heads"] = tuple(heads)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output for tensors or arrays; it is of the kind of the inputs."""
        arrays = any(map(is_array, args))
        tensors = unwrap(args) if arrays else args
        try:
            result = super().__call__(*tensors, **kwargs)
        except EngineError:
            raise
        except Exception as error:
            if passed_through(error, python.__file__):
                raise  # of the caller's own function, with its traceback
            raise _explain(self, tensors, error) from None
        return wrap(result) if arrays else result

    @property
    def default_loss(self) -> Callable[[Any, Any], torch.Tensor] | None:
        """The loss of the output layers, a function (output, target); None when there is no output layer.

        Several outputs: the sum, each times its `grad_scale`, against one target each or a common one.
        """
        heads = self._heads()
        if not heads or all(head is None for head in heads):
            return None
        if len(heads) == 1 and heads[0] is not None and heads[0].scale == 1:
            return heads[0].criterion
        return _Sum(heads)

    def predict(self, *args: Any) -> Any:
        """Predictions in evaluation mode, without gradients: probabilities where the output layer has such."""
        from dlengine.train.mode import evaluating

        with evaluating(self), torch.no_grad():
            result = self(*args)
        results = result if isinstance(result, tuple) else (result,)
        meant = tuple(
            value if head is None else head.predict(value) for head, value in zip(self._heads(), results, strict=True)
        )
        return meant if isinstance(result, tuple) else meant[0]

    def __reduce__(self) -> tuple[Any, ...]:
        make, arguments = super().__reduce__()
        return _unpickle, (make, arguments, self.meta["heads"])

    def _heads(self) -> list[Head | None]:
        found = [None if name is None else self.get_submodule(name) for name in self.meta["heads"]]
        return [head if isinstance(head, Head) else None for head in found]


def _unpickle(
    make: Callable[..., fx.GraphModule], arguments: tuple[Any, ...], heads: tuple[str | None, ...]
) -> Network:
    plain = make(*arguments)
    return Network(plain, plain.graph, heads)


class _Sum(nn.Module):
    """The weighted sum of several output layers' losses."""

    def __init__(self, heads: Sequence[Head | None]) -> None:
        super().__init__()
        self._heads = list(heads)

    def forward(self, outputs: Any, targets: Any) -> torch.Tensor:
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        targets = targets if isinstance(targets, tuple | list) else (targets,) * len(outputs)
        if not len(outputs) == len(targets) == len(self._heads):
            raise EngineError(f"{len(outputs)} outputs and {len(targets)} targets for {len(self._heads)} output layers")
        parts = zip(self._heads, outputs, targets, strict=True)
        return torch.stack([head.scale * head.loss(*pair) for head, *pair in parts if head is not None]).sum()


def _explain(network: Network, args: Sequence[Any], error: Exception) -> Exception:
    """The same error with the layer's name and the shapes, found by computing layer by layer."""
    finder = _Finder(network)
    try:
        with torch.no_grad():
            finder.run(*args)
    except Exception as again:
        if finder.layer:
            return blame(f"layer '{finder.layer}'", finder.inputs, again)
    return error


class _Finder(fx.Interpreter):
    """Runs a graph node by node and remembers where it is."""

    layer = ""
    inputs: Any = ()

    def run_node(self, node: fx.Node) -> Any:
        self.inputs = [self.env[one] for one in node.all_input_nodes]
        self.layer = "" if node.op == "placeholder" else str(node.target) if node.op == "call_module" else node.name
        return super().run_node(node)
