"""What can be wrong with a recipe that pydantic cannot see: each rule yields a file, a place in it, and a message."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from dlcluster.catalog import instance_type, instance_types, looks_like_a_type, nearest
from dlcluster.image.draft import Draft, Found, Placed
from dlcluster.image.order import out_of_order
from dlcluster.image.parameters import mistake
from dlcluster.image.platforms import PLATFORMS

BUILD_LIMIT = 20
"""Components, tests among them, that a recipe of EC2 Image Builder may have."""
FREE_GIB = 1
"""What an image must at least have free once everything is installed."""

Rule = Callable[[Draft], Iterator[Found]]


def problems(draft: Draft) -> list[Found]:
    """All that is wrong. Rules that need every component are silent while one is unknown."""
    found = list(unknown_component(draft))
    rules = RULES if not found else FIRST
    return [*found, *(problem for rule in rules for problem in rule(draft))]


def unknown_component(draft: Draft) -> Iterator[Found]:
    known = draft.library.components()
    for number, use in enumerate(draft.recipe.value.components):
        if use.name not in known:
            guess = nearest(use.name, known)
            hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(known)}"
            yield draft.recipe.problem(("components", number), f"there is no component {use.name!r}; {hint}")
    for component in draft.components.values():
        for key in ("requires", "after"):
            for number, name in enumerate(getattr(component.value, key)):
                if name not in known:
                    guess = nearest(name, known)
                    hint = f"; did you mean {guess}?" if guess else ""
                    yield component.problem((key, number), f"there is no component {name!r}{hint}")


def names_and_folders(draft: Draft) -> Iterator[Found]:
    files: list[Placed[Any]] = [draft.recipe, *draft.components.values()]
    for placed in files:
        folder = placed.path.parent.name
        if placed.value.name != folder:
            yield placed.problem(
                ("name",), f"name: expected {folder!r}, the name of its folder, got {placed.value.name!r}"
            )


def base_and_platform(draft: Draft) -> Iterator[Found]:
    recipe = draft.recipe.value
    if recipe.base not in PLATFORMS and recipe.platform is None:
        yield draft.recipe.problem(("base",), f"base: {recipe.base} does not tell its operating system; set `platform`")
    if recipe.base in PLATFORMS and recipe.platform not in (None, recipe.base):
        yield draft.recipe.problem(("platform",), f"platform: {recipe.platform} is not that of the base {recipe.base}")


def build_machine(draft: Draft) -> Iterator[Found]:
    recipe = draft.recipe.value
    kind = instance_type(recipe.build_type)
    if not looks_like_a_type(recipe.build_type):
        guess = nearest(recipe.build_type, instance_types())
        hint = f"; did you mean {guess}?" if guess else ""
        yield draft.recipe.problem(("build_type",), f"build_type: {recipe.build_type} is no EC2 instance type{hint}")
    elif kind and kind.architecture != recipe.architecture:
        message = f"build_type: {kind.name} is {kind.architecture}, the image {recipe.architecture}"
        yield draft.recipe.problem(("build_type",), message)


def scripts_and_tests(draft: Draft) -> Iterator[Found]:
    for name, component in draft.components.items():
        there = {path.name for path in component.files()}
        for script, word in (("install.sh", "script"), ("test.sh", "test")):
            if script not in there:
                other = " install.sh has no test." if word == "test" and "install.sh" in there else ""
                yield component.problem(("name",), f"component {name}: its {word} {script} is missing.{other}")
    folder = draft.recipe.path.parent
    for number, test in enumerate(draft.recipe.value.tests):
        if not (folder / test).is_file():
            yield draft.recipe.problem(("tests", number), f"tests.{number}: there is no file {folder / test}")


def shared_files(draft: Draft) -> Iterator[Found]:
    for component in draft.components.values():
        for number, name in enumerate(component.value.shared):
            if draft.library.shared(name) is None:
                yield component.problem(("shared", number), f"shared.{number}: there is no file shared/{name}")
            elif (component.path.parent / name).is_file():
                yield component.problem(("shared", number), f"shared.{number}: the component has a {name} of its own")


def defaults(draft: Draft) -> Iterator[Found]:
    for component in draft.components.values():
        for name, parameter in component.value.parameters.items():
            wrong = None if parameter.default is None else mistake(parameter, parameter.default)
            if wrong:
                yield component.problem(("parameters", name, "default"), f"parameters.{name}.default: {wrong}")


def parameters(draft: Draft) -> Iterator[Found]:
    for number, use in enumerate(draft.recipe.value.components):
        if use.name not in draft.components:
            continue
        known = draft.components[use.name].value.parameters
        for name, value in use.parameters.items():
            loc = ("components", number, "parameters", name)
            if name not in known:
                guess = nearest(name, known)
                hint = f"did you mean '{guess}'?" if guess else f"it has: {', '.join(known) or 'none'}"
                message = f"components.{number}: {use.name} has no parameter '{name}'; {hint}"
                yield draft.recipe.problem(loc, message, of_key=True)
            elif wrong := mistake(known[name], value):
                yield draft.recipe.problem(loc, f"components.{number}.parameters.{name}: {wrong}")
        for name, parameter in known.items():
            if parameter.default is None and name not in use.parameters:
                message = f"components.{number}: {use.name} needs a value for its parameter '{name}'"
                yield draft.recipe.problem(("components", number), message)


def supported(draft: Draft) -> Iterator[Found]:
    recipe = draft.recipe.value
    wanted = dict.fromkeys([recipe.platform or recipe.base, *recipe.platforms])
    for number, use in enumerate(recipe.components):
        component = draft.components[use.name].value
        lacking = [name for name in wanted if name in PLATFORMS and name not in component.platforms]
        if lacking:
            only = f"only for {', '.join(component.platforms)}"
            message = f"components.{number}: {use.name} is not for {', '.join(lacking)}, {only}"
            yield draft.recipe.problem(("components", number), message)
        if recipe.architecture not in component.architectures:
            message = f"components.{number}: {use.name} cannot be had for {recipe.architecture}"
            yield draft.recipe.problem(("components", number), message)


def root_volume(draft: Draft) -> Iterator[Found]:
    recipe = draft.recipe.value
    names = [name for name in (recipe.platform or recipe.base, *recipe.platforms) if name in PLATFORMS]
    base = max((PLATFORMS[name].base_gib for name in names), default=0)
    installed = sum(draft.components[use.name].value.size_gib for use in recipe.components)
    need = math.ceil(base + installed + FREE_GIB)
    if recipe.root_gib < need:
        parts = f"{base:g} of the base, {installed:g} installed, {FREE_GIB} free"
        message = f"root_gib: {recipe.root_gib} GiB is too small: about {need} GiB are needed ({parts})"
        yield draft.recipe.problem(("root_gib",), message)


def too_many(draft: Draft) -> Iterator[Found]:
    recipe = draft.recipe.value
    if recipe.tests and len(recipe.components) >= BUILD_LIMIT:
        yield draft.recipe.problem(
            ("tests",), f"tests: EC2 Image Builder takes {BUILD_LIMIT} components, and the tests count as one"
        )


FIRST: tuple[Rule, ...] = (
    names_and_folders,
    base_and_platform,
    build_machine,
    scripts_and_tests,
    shared_files,
    defaults,
    parameters,
)
"""Rules that can speak while a component is unknown."""
RULES: tuple[Rule, ...] = (*FIRST, out_of_order, supported, root_volume, too_many)
