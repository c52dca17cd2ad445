"""From a recipe's name to an Image with all its components and scripts, or to one error that names every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dlcluster.catalog import nearest
from dlcluster.config.explain import read, user_error
from dlcluster.errors import Exit, UserError
from dlcluster.image.draft import Draft, Placed
from dlcluster.image.library import COMPONENT_FILE, RECIPE_FILE, Library
from dlcluster.image.model import Component, Recipe
from dlcluster.image.parameters import environment
from dlcluster.image.platforms import PLATFORMS
from dlcluster.image.resolved import WHOLE, Image, Step
from dlcluster.image.rules import problems

M = TypeVar("M", bound=BaseModel)


def load_image(library: Library, name: str, platform: str | None = None) -> Image:
    """The recipe of that name, checked, with everything that it refers to.

    platform: build it on that one instead of the recipe's base. UserError NOT_FOUND for a name that is no recipe, and
    USAGE, with file:line:column of every mistake, for a recipe that is wrong.
    """
    draft = _draft(library, name)
    wrong = problems(draft)
    if wrong:
        raise user_error(sorted(wrong))
    recipe = draft.recipe.value
    base = _base(draft, platform)
    own = PLATFORMS[base if base in PLATFORMS else str(recipe.platform)]
    steps = [_step(draft, number) for number in range(len(recipe.components))]
    return Image(recipe, base, own, (*steps, *_tests(draft)))


def _draft(library: Library, name: str) -> Draft:
    folders = library.recipes()
    if name not in folders:
        guess = nearest(name, folders)
        hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(folders) or 'none'}"
        raise UserError(f"there is no recipe {name!r}", hint=hint, code=Exit.NOT_FOUND)
    recipe = _placed(Recipe, folders[name] / RECIPE_FILE)
    known, components = library.components(), {}
    wanted = [use.name for use in recipe.value.components]
    while wanted:  # what components require is read too: a cycle can be told from a component that is not there
        component = wanted.pop()
        if component in known and component not in components:
            components[component] = _placed(Component, known[component] / COMPONENT_FILE)
            wanted += [*components[component].value.requires, *components[component].value.after]
    return Draft(library, recipe, components)


def load_component(folder: Path) -> Component:
    """One component. UserError when its file is wrong."""
    return _placed(Component, folder / COMPONENT_FILE).value


def _placed(model: type[M], path: Path) -> Placed[M]:
    return Placed(*read(model, _text(path), str(path)), path)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise UserError("not UTF-8 text", where=str(path)) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", where=str(path)) from None


def _base(draft: Draft, platform: str | None) -> str:
    recipe = draft.recipe.value
    if platform is None or platform == (recipe.platform or recipe.base):
        return recipe.base
    if platform not in recipe.platforms:
        possible = [recipe.platform or recipe.base, *recipe.platforms]
        raise UserError(
            f"the recipe {recipe.name} is not for {platform}",
            where="--platform",
            hint=f"it is for {', '.join(possible)}",
        )
    return platform


def _step(draft: Draft, number: int) -> Step:
    use = draft.recipe.value.components[number]
    component = draft.components[use.name]
    paths = {path.name: path for path in component.files() if path.name != COMPONENT_FILE}
    sources = {name: f"components/{use.name}/{name}" for name in paths}
    for name in component.value.shared:
        paths[name] = draft.shared(name)
        sources[name] = f"shared/{name}"
    files = {name: _bytes(paths[name]) for name in sorted(paths)}
    return Step(use.name, environment(component.value, use.parameters), files, sources, component.value)


def _tests(draft: Draft) -> list[Step]:
    recipe = draft.recipe.value
    if not recipe.tests:
        return []
    folder = draft.recipe.path.parent
    files = {name: _bytes(folder / name) for name in recipe.tests}
    scripts = tuple(name for name in recipe.tests if name.endswith(".sh"))
    sources = {name: f"{recipe.name}/{name}" for name in files}
    return [Step(WHOLE, {}, files, sources, None, scripts)]
