"""Symbol: what a declarative graph is written with."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlengine.errors import EngineError, unknown
from dlengine.symbol.node import Graph, Node
from dlengine.symbol.writing import write

if TYPE_CHECKING:
    from dlengine.symbol.infer import Shapes
    from dlengine.symbol.network import Network
    from dlengine.symbol.summary import Summary

Entry = tuple[Node, int]


class Symbol:
    """One or several outputs of a graph that is described but not computed yet; it never changes.

    Operators (`+ - * / ** @`), torch functions and tensor methods work on it and extend the graph.
    """

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._entries = entries

    @property
    def entry(self) -> Entry:
        """The only output; EngineError when there are several."""
        if len(self._entries) != 1:
            raise EngineError(f"a group of {len(self)} outputs stands where one is wanted", "choose one: group[0]")
        return self._entries[0]

    @property
    def graph(self) -> Graph:
        """All nodes that the outputs depend on."""
        return Graph(self._entries)

    @property
    def name(self) -> str:
        """The name of the layer that computes the output."""
        return self.graph.names[self.entry[0]]

    def list_arguments(self) -> list[str]:
        """Names of the inputs and weights, in the order of computation; weights are called `layer.weight`."""
        from dlengine.symbol.names import argument_names

        return argument_names(self.graph)

    def list_auxiliary_states(self) -> list[str]:
        """Names of what is kept but not trained, such as BatchNorm's averages."""
        from dlengine.symbol.names import state_names

        return state_names(self.graph)

    def list_outputs(self) -> list[str]:
        """Names of the outputs: `layer_output`, with a number where a layer has several."""
        from dlengine.symbol.names import output_names

        return output_names(self.graph)

    def infer_shape(self, *shape: Any, **shapes: Any) -> Shapes:
        """All shapes from those of the inputs: `net.infer_shape(data=(64, 1, 28, 28))`.

        A single shape without a name belongs to the only input. Raises EngineError that names the layer which cannot
        take what it is given, with the shapes.
        """
        from dlengine.symbol.infer import infer_shape

        return infer_shape(self.graph, shape, shapes)

    def bind(self, *shape: Any, **options: Any) -> Network:
        """A torch module with weights for these input shapes; see `dlengine.symbol.bind.bind`."""
        from dlengine.symbol.bind import bind

        return bind(self, *shape, **options)

    def summary(self, *shape: Any, **shapes: Any) -> Summary:
        """A table of layers with shapes, parameters, multiply-adds and memory: print it, or read its rows."""
        from dlengine.symbol.summary import summarize

        return summarize(self.graph, shape, shapes)

    def draw(self, path: str | Path | None = None, *shape: Any, **shapes: Any) -> str:
        """The graph as an SVG picture, written to `path` if given; with shapes on its edges if these are given."""
        from dlengine.symbol.draw import draw

        return draw(self, path, shape, shapes)

    def to_json(self) -> str:
        """The graph, without weights, as text; `dlengine.symbol.from_json` reads it."""
        from dlengine.symbol.file import to_json

        return to_json(self.graph)

    def save(self, path: str | Path) -> None:
        """Write the graph, without weights, to a JSON file; `dlengine.symbol.load` reads it."""
        write(path, self.to_json() + "\n")

    def internals(self) -> Symbol:
        """Every output inside the graph, as a group; choose one by its layer's name: `net.internals()["fc1"]`."""
        from dlengine.symbol.names import output_count

        graph = self.graph
        return Symbol(tuple((node, index) for node in graph.nodes for index in range(output_count(node))))

    def __call__(self, *symbols: Symbol, **named: Symbol) -> Symbol:
        """The same graph with other symbols in place of its variables, in their order or by name."""
        from dlengine.symbol.compose import compose

        return compose(self, symbols, named)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Symbol]:
        if len(self._entries) == 1:
            raise TypeError("a symbol with one output cannot be iterated over")
        return (Symbol((entry,)) for entry in self._entries)

    def __getitem__(self, key: Any) -> Symbol:
        """Of a group, an output by number or by its layer's name. Of a single output, indexing as in NumPy."""
        if isinstance(key, str):
            return self._named(key)
        if len(self._entries) == 1:
            from dlengine.symbol.functions import apply

            return apply("getitem", (self, key))
        try:
            chosen = self._entries[key]
        except (IndexError, TypeError):
            raise EngineError(
                f"there is no output {key!r}", f"there are {len(self._entries)}, or give a name"
            ) from None
        return Symbol(chosen if isinstance(key, slice) else (chosen,))

    def _named(self, name: str) -> Symbol:
        names = self.graph.names
        found = tuple(entry for entry in self._entries if name in (names[entry[0]], f"{names[entry[0]]}_output"))
        if not found:
            raise unknown("output", name, [names[node] for node, _ in self._entries])
        return Symbol(found)

    def __getattr__(self, name: str) -> Any:
        """A tensor's methods and attributes, as further nodes: `x.reshape(...)`, `x.mean(dim=1)`, `x.shape`."""
        from dlengine.symbol.functions import attribute

        return attribute(self, name)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Symbol:
        from dlengine.symbol.functions import apply_torch

        return apply_torch(function, args, kwargs or {})

    if TYPE_CHECKING:  # `functions` adds these

        def __add__(self, other: Any) -> Symbol: ...
        def __radd__(self, other: Any) -> Symbol: ...
        def __sub__(self, other: Any) -> Symbol: ...
        def __rsub__(self, other: Any) -> Symbol: ...
        def __mul__(self, other: Any) -> Symbol: ...
        def __rmul__(self, other: Any) -> Symbol: ...
        def __truediv__(self, other: Any) -> Symbol: ...
        def __rtruediv__(self, other: Any) -> Symbol: ...
        def __pow__(self, other: Any) -> Symbol: ...
        def __matmul__(self, other: Any) -> Symbol: ...
        def __neg__(self) -> Symbol: ...

    def __bool__(self) -> bool:
        raise EngineError(
            "a symbol is neither true nor false: it has no value while the graph is made",
            "use torch.where, or decide in a function that is a @symbol.node",
        )

    __array_ufunc__ = None  # a NumPy array leaves `array * symbol` to the symbol

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self

    def __repr__(self) -> str:
        names = self.graph.names
        return f"<Symbol {', '.join(names[node] for node, _ in self._entries)}>"


def Group(*symbols: Symbol) -> Symbol:
    """Several outputs as one symbol; bound, it returns a tuple."""
    if not symbols:
        raise EngineError("a group of nothing", "Group(symbol, symbol, ...)")
    for symbol in symbols:
        if not isinstance(symbol, Symbol):
            raise EngineError(f"Group got a {type(symbol).__name__}", "Group(symbol, symbol, ...)")
    return Symbol(tuple(entry for symbol in symbols for entry in symbol._entries))


def Variable(name: str, shape: Any = None, dtype: Any = None, fixed: Any = ()) -> Symbol:
    """An input of the graph. `shape` (the batch first) and `dtype` may be given here or when the graph is bound.

    Without `dtype` it is float32, or int64 where it goes into an Embedding. fixed: axes on which only `shape` will do.
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise EngineError(f"a variable is called {name!r}", "it becomes an argument in Python: Variable('data')")
    params: dict[str, Any] = {}
    if shape is not None:
        if not isinstance(shape, tuple | list) or not all(isinstance(size, int) and size > 0 for size in shape):
            raise EngineError(
                f"the shape of '{name}' is {shape!r}", "give whole numbers, the batch first: (64, 1, 28, 28)"
            )
        params["shape"] = tuple(shape)
    if fixed:
        if shape is None or not all(isinstance(axis, int) and 0 <= axis < len(shape) for axis in fixed):
            raise EngineError(f"the fixed axes of '{name}' are {fixed!r}", "they are axes of its shape")
        params["fixed"] = tuple(fixed)
    if dtype is not None:
        params["dtype"] = str(dtype).removeprefix("torch.")
    return Symbol(((Node("Variable", (), params, name), 0),))
