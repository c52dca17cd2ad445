"""`image: recipe:NAME`, as a user meets it: refused, built, used, refused again after a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcluster.image.library import library
from dlcluster.image.load import load_image

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("recipe")]

RECIPE = "name: mine\nsummary: For this test\nbase: ubuntu-24.04\ncomponents: [base-tools]\nroot_gib: 20\n"


def test_up_takes_the_image_of_the_recipe_as_it_is_now(world):
    folder = Path(world.work) / "images"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine/recipe.yaml").write_text(RECIPE)
    world.write("cluster.yaml", "name: mine\nimage: recipe:mine\nimages: images\nworkers: {count: 1}\n")

    refused = world.run("up", "-y", code=66)
    assert "no image has been built from the recipe mine" in refused.stderr
    assert "dlcluster image build mine" in refused.stderr

    ec2 = world.client("ec2")
    tags = [{"Key": key, "Value": value} for key, value in load_image(library(folder), "mine").tags.items()]
    image = ec2.register_image(Name="mine-1", RootDeviceName="/dev/sda1")["ImageId"]
    ec2.create_tags(Resources=[image], Tags=tags)
    status = world.json("image", "status", "mine", "--images", "images")
    assert [(row["id"], row["current"]) for row in status["images"]] == [(image, True)]

    world.run("up", "-y")
    pages = ec2.describe_instances(Filters=[{"Name": "tag:dlcluster:cluster", "Values": ["mine"]}])["Reservations"]
    assert {row["ImageId"] for page in pages for row in page["Instances"]} == {image}

    (folder / "mine/recipe.yaml").write_text(RECIPE.replace("root_gib: 20", "root_gib: 21"))
    assert world.json("up", "-y")["plan"] == "none", "a running cluster keeps its image"
    world.run("down", "-y")
    refused = world.run("up", "-y", code=66)
    assert "the recipe mine has changed since its newest image" in refused.stderr
    assert image in refused.stderr

    gone = world.json("image", "delete", "mine", "-y", "--images", "images")
    assert (gone["left"], f"image {image} in us-east-1" in gone["removed"]) == ([], True)
