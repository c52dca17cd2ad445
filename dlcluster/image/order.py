"""The order of components: what needs what, what only has to come later, and circles."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from dlcluster.image.draft import Draft, Found


def out_of_order(draft: Draft) -> Iterator[Found]:
    """Circles among components; else: a component twice, one without what it requires, or one before it."""
    circle = _circle(draft)
    if circle:
        yield circle
        return
    places: dict[str, int] = {}
    for number, use in enumerate(draft.recipe.value.components):
        if use.name in places:
            message = f"components.{number}: {use.name} is there twice, first on line {_line(draft, places[use.name])}"
            yield draft.recipe.problem(("components", number), message)
        places.setdefault(use.name, number)
    for name, number in places.items():
        component = draft.components[name].value
        for needed in dict.fromkeys([*component.requires, *component.after]):
            if needed not in places and needed in component.requires:
                message = f"components.{number}: {name} requires {needed}, which is not in the recipe; add it before"
                yield draft.recipe.problem(("components", number), message)
            elif places.get(needed, -1) > number:
                word = "requires" if needed in component.requires else "must come after"
                line = _line(draft, places[needed])
                message = f"components.{number}: {name} {word} {needed}, which comes on line {line}; put it below that"
                yield draft.recipe.problem(("components", number), message)


def _circle(draft: Draft) -> Found | None:
    graph = {name: (*placed.value.requires, *placed.value.after) for name, placed in draft.components.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib lists predecessors first: each is needed by the next one.
        names = list(reversed(error.args[1]))
        first = draft.components[names[0]]
        key = "requires" if names[1] in first.value.requires else "after"
        where = getattr(first.value, key).index(names[1])
        return first.problem((key, where), f"{key}: components go round in a circle: {' -> '.join(names)}")
    return None


def _line(draft: Draft, number: int) -> int:
    return draft.recipe.source.place(("components", number))[0]
