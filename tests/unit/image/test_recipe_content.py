"""What a recipe resolves to, and its hash."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from dlcluster.image.library import Library, library, shipped
from dlcluster.image.load import load_image
from dlcluster.image.model import Component, Recipe, json_schema

GPU = "name: gpu\nsummary: For tests\ncomponents:\n- driver\n- {name: cuda, parameters: {docs: true}}\nroot_gib: 40\n"


def test_scripts_get_defaults_and_given_values_as_text(folder):
    folder.recipe(GPU)
    image = load_image(folder.library, "gpu")
    assert [image.environment(step, "docker") for step in image.steps] == [
        {
            "HOME": "/root",
            "IMAGE_TARGET": "docker",
            "IMAGE_PLATFORM": "ubuntu-24.04",
            "IMAGE_ARCHITECTURE": "x86_64",
            **own,
        }
        for own in ({"PARAM_BRANCH": "580"}, {"PARAM_DOCS": "true"})
    ]


def test_shared_files_lie_beside_the_scripts(folder):
    folder.write("shared/lib.sh", "true\n")
    folder.component("driver", "shared: [lib.sh]")
    step = load_image(folder.library, "gpu").steps[0]
    assert sorted(step.files) == ["install.sh", "lib.sh", "test.sh"]
    assert step.sources["lib.sh"] == "shared/lib.sh"


def test_a_platform_takes_the_place_of_the_base(folder):
    folder.recipe(GPU + "platforms: [debian-12]\n")
    image = load_image(folder.library, "gpu", "debian-12")
    assert image.parent == "ssm:/aws/service/debian/release/12/latest/amd64"
    assert image.hash != load_image(folder.library, "gpu").hash


@pytest.mark.parametrize(
    ("base", "parent"),
    [
        ("ami-0123456789abcdef0", "ami-0123456789abcdef0"),
        ("ssm:/my/image", "ssm:/my/image"),
    ],
)
def test_a_base_may_be_an_ami_or_a_parameter(folder, base, parent):
    folder.recipe(GPU + f"base: {base}\nplatform: al2023\n")
    assert load_image(folder.library, "gpu").parent == parent


# What changes an image, and what does not.
INSIDE = {
    "base": "base: ubuntu-22.04",
    "architecture": "architecture: arm64\nbuild_type: c7g.xlarge",
    "python": "python: /opt/python",
    "tests": "tests: [whole.sh]",
}
OUTSIDE = {
    "tags": "tags: {team: vision}",
    "regions": "regions: [eu-west-1]",
    "share": "share: {public: true}",
    "schedule": "schedule: cron(0 4 ? * sun *)",
    "build machine": "build_type: c7i.2xlarge\nbuild_minutes: 5",
    "what is missing": "missing: [{title: a, reason: b}]",
}


@pytest.mark.parametrize("case", [*INSIDE, *OUTSIDE])
def test_the_hash_changes_with_what_is_in_the_image_and_with_nothing_else(folder, case):
    folder.write("gpu/whole.sh", "true\n")
    folder.recipe(GPU)
    before = load_image(folder.library, "gpu").hash
    folder.recipe(GPU + {**INSIDE, **OUTSIDE}[case] + "\n")
    assert (load_image(folder.library, "gpu").hash != before) == (case in INSIDE)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("components/cuda/install.sh", "echo other\n"),
        ("components/cuda/test.sh", "echo other\n"),
        ("components/cuda/more.txt", "one\n"),
        ("gpu/recipe.yaml", GPU.replace("docs: true", "docs: false")),
        ("gpu/recipe.yaml", GPU.replace("root_gib: 40", "root_gib: 41")),
        ("gpu/recipe.yaml", GPU.replace("root_gib", "- nccl\nroot_gib")),
    ],
)
def test_the_hash_changes_with_scripts_parameters_and_order(folder, path, text):
    folder.recipe(GPU)
    before = load_image(folder.library, "gpu").hash
    folder.write(path, text)
    assert load_image(folder.library, "gpu").hash != before


def test_a_users_recipe_hides_a_shipped_one_and_uses_shipped_components(folder, tmp_path):
    own = tmp_path / "own"
    (own / "minimal").mkdir(parents=True)
    (own / "minimal/recipe.yaml").write_text("name: minimal\nsummary: Mine\ncomponents: [base-tools]\nroot_gib: 9\n")
    image = load_image(library(own), "minimal")
    assert (image.recipe.summary, image.steps[0].name) == ("Mine", "base-tools")


SHIPPED = Library((shipped(),))


@pytest.mark.parametrize("name", SHIPPED.recipes())
def test_a_shipped_recipe_is_right_on_every_platform_that_it_names(name):
    recipe = load_image(SHIPPED, name).recipe
    for platform in recipe.platforms:
        assert load_image(SHIPPED, name, platform).platform.name == platform


def test_the_schemas_admit_every_shipped_file():
    for model, folders in ((Recipe, SHIPPED.recipes()), (Component, SHIPPED.components())):
        validator = jsonschema.Draft202012Validator(json_schema(model))
        for path in folders.values():
            validator.validate(yaml.safe_load((path / f"{model.__name__.lower()}.yaml").read_text()))


@pytest.mark.parametrize("text", ["name: a", "components: [], root_gib: 8", "root_gib: 4"])
def test_the_schema_of_recipes_refuses_what_the_loader_refuses(text):
    whole = {"name": "a", "summary": "b", "components": ["c"], "root_gib": 8}
    given = yaml.safe_load(f"{{{text}}}")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given if "name" in given else {**whole, **given}, json_schema(Recipe))
