"""What is wrong with a recipe is told with file, line and column, before anything else happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.image.load import load_image

HEAD = "name: gpu\nsummary: For tests\n"


def mistakes(folder: Any, name: str = "gpu", platform: str | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        load_image(folder.library, name, platform)
    return caught.value


# A recipe's text, the line of the mistake, and what is said about it.
WRONG = {
    "unknown component": ("components: [driver, cuad]\nroot_gib: 40", 3, "no component 'cuad'; did you mean cuda?"),
    "wrong order": ("components:\n- cuda\n- driver\nroot_gib: 40", 4, "cuda requires driver, which comes on line 5"),
    "only an order": ("components: [driver, nccl, cuda]\nroot_gib: 40", 3, "nccl must come after cuda"),
    "requirement missing": ("components: [cuda]\nroot_gib: 40", 3, "cuda requires driver, which is not in the recipe"),
    "twice": ("components: [driver, driver]\nroot_gib: 40", 3, "driver is there twice, first on line 3"),
    "unknown parameter": (
        "components:\n- name: driver\n  parameters: {brunch: 1}\nroot_gib: 40",
        5,
        "driver has no parameter 'brunch'; did you mean 'branch'?",
    ),
    "text for an integer": (
        "components:\n- name: driver\n  parameters:\n    branch: new\nroot_gib: 40",
        6,
        "components.0.parameters.branch: expected a whole number, got 'new'",
    ),
    "boolean for an integer": (
        "components: [{name: driver, parameters: {branch: true}}]\nroot_gib: 40",
        3,
        "expected a whole number, got true",
    ),
    "number for text": (
        "components: [{name: nccl, parameters: {tag: 2.27}}]\nroot_gib: 40",
        3,
        "expected text (quote it), got 2.27",
    ),
    "not a choice": (
        "components: [{name: nccl, parameters: {tag: v1}}]\nroot_gib: 40",
        3,
        "expected one of v2.27, v2, got 'v1'",
    ),
    "root too small": ("components: [driver, cuda]\nroot_gib: 15", 4, "15 GiB is too small: about 16 GiB are needed"),
    "unknown key": ("components: [driver]\nroot_gb: 40\nroot_gib: 40", 4, "did you mean 'root_gib'?"),
    "unknown key inside": (
        "components: [driver]\nroot_gib: 40\nshare: {acounts: []}",
        5,
        "unknown key 'share.acounts'; did you mean 'accounts'?",
    ),
    "unknown key of a use": ("components:\n- nme: driver\nroot_gib: 40", 4, "'components.0.nme'; did you mean 'name'?"),
    "missing key": ("components: [driver]", 1, "missing key 'root_gib'"),
    "nothing in it": ("components: []\nroot_gib: 40", 3, "components: expected at least 1 entries, got a list"),
    "no base": (
        "base: windows\ncomponents: [driver]\nroot_gib: 40",
        3,
        "expected ubuntu-22.04, ubuntu-24.04, debian-12",
    ),
    "base without platform": (
        "base: ami-0123456789abcdef0\ncomponents: [driver]\nroot_gib: 40",
        3,
        "does not tell its operating system; set `platform`",
    ),
    "two platforms": (
        "base: al2023\nplatform: debian-12\ncomponents: [driver]\nroot_gib: 40",
        4,
        "platform: debian-12 is not that of the base al2023",
    ),
    "no such test": ("components: [driver]\nroot_gib: 40\ntests: [whole.sh]", 5, "there is no file"),
    "no machine": ("components: [driver]\nroot_gib: 40\nbuild_type: g5.8xlrge", 5, "did you mean g5.8xlarge?"),
    "machine of another kind": ("components: [driver]\nroot_gib: 40\nbuild_type: g5g.xlarge", 5, "g5g.xlarge is arm64"),
    "account id as a number": (
        "components: [driver]\nroot_gib: 40\nshare: {accounts: [123456789012]}",
        5,
        "share.accounts.0: expected text (quote it",
    ),
    "reserved tag": (
        "components: [driver]\nroot_gib: 40\ntags: {dlcluster:recipe: x}",
        5,
        "expected a key that does not begin with aws: or dlcluster:",
    ),
    "other name": (
        "components: [driver]\nroot_gib: 40",
        1,
        "name: expected 'other', the name of its folder, got 'gpu'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_in_a_recipe_is_told_with_its_line(folder, case):
    text, line, message = WRONG[case]
    name = "other" if case == "other name" else "gpu"
    folder.recipe(HEAD + text, name)
    error = mistakes(folder, name)
    assert error.code == Exit.USAGE
    assert message in error.what
    assert error.where.startswith(f"{folder.root}/{name}/recipe.yaml:{line}:")


def remove_test(folder: Any) -> None:
    (folder.root / "components/cuda/test.sh").unlink()


def circle(folder: Any) -> None:
    folder.component("driver", "after: [nccl]")


def wrong_default(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\nparameters:\n  docs: {type: boolean, default: 'no'}")


def value_needed(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\nparameters: {version: {}}")


def old_platform(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\nplatforms: [al2023]")


def other_processor(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\narchitectures: [arm64]")


def no_shared_file(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\nshared: [lib.sh]")


def own_and_shared_file(folder: Any) -> None:
    folder.component("cuda", "requires: [driver]\nshared: [test.sh]")
    folder.write("shared/test.sh", "true\n")


def unknown_requirement(folder: Any) -> None:
    folder.component("cuda", "requires: [drivr]")


COMPONENTS: list[tuple[Callable[[Any], None], str, str]] = [
    (remove_test, "components/cuda/component.yaml:1:", "its test test.sh is missing. install.sh has no test."),
    (circle, "components/nccl/component.yaml:4:", "circle: nccl -> cuda -> driver -> nccl"),
    (wrong_default, "components/cuda/component.yaml:6:", "default: expected true or false, got 'no'"),
    (value_needed, "gpu/recipe.yaml:6:", "cuda needs a value for its parameter 'version'"),
    (old_platform, "gpu/recipe.yaml:6:", "cuda is not for ubuntu-24.04, only for al2023"),
    (other_processor, "gpu/recipe.yaml:6:", "cuda cannot be had for x86_64"),
    (no_shared_file, "components/cuda/component.yaml:5:", "there is no file shared/lib.sh"),
    (own_and_shared_file, "components/cuda/component.yaml:5:", "the component has a test.sh of its own"),
    (unknown_requirement, "components/cuda/component.yaml:4:", "there is no component 'drivr'; did you mean driver?"),
]


@pytest.mark.parametrize(("change", "where", "message"), COMPONENTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_mistake_of_a_component_is_told_with_its_line(folder, change, where, message):
    change(folder)
    error = mistakes(folder)
    assert message in error.what
    assert error.where.startswith(f"{folder.root}/{where}")


def test_every_mistake_is_told_at_once(folder):
    folder.recipe(HEAD + "components: [driver, cuda, nothing]\nroot_gib: 40\nbuild_type: g5.8xlrge\n")
    (folder.root / "components/driver/test.sh").unlink()
    error = mistakes(folder)
    assert len(error.what.splitlines()) == 3


def test_an_unknown_recipe_is_not_found_and_the_nearest_is_named(folder):
    error = mistakes(folder, "gpus")
    assert (error.code, error.hint) == (Exit.NOT_FOUND, "did you mean gpu?")


def test_a_platform_that_the_recipe_does_not_name_is_refused(folder):
    assert "not for debian-12" in mistakes(folder, platform="debian-12").what


def test_twenty_components_and_tests_are_too_many_for_image_builder(folder):
    names = [f"part{number}" for number in range(20)]
    for name in names:
        folder.component(name)
    folder.write("gpu/whole.sh", "true\n")
    folder.recipe(f"{HEAD}components: [{', '.join(names)}]\nroot_gib: 40\ntests: [whole.sh]\n")
    assert "takes 20 components, and the tests count as one" in mistakes(folder).what
