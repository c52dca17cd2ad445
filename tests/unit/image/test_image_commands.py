"""The `image` commands that need no cloud, as a user types them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys

import pytest
from typer.testing import CliRunner

from dlcluster.cli.app import app
from dlcluster.errors import Exit, UserError
from dlcluster.image import rootfs
from dlcluster.image.cloudinit import LIMIT
from dlcluster.image.cost import cost
from dlcluster.image.load import load_image

RUNNER = CliRunner()


def run(*args: str, code: int = 0) -> str:
    done = RUNNER.invoke(app, ["image", *args])
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout


def test_list_shows_every_recipe_and_what_is_wrong_with_one(folder):
    folder.recipe("name: bad\nsummary: x\ncomponents: [nothing]\nroot_gib: 8\n", "bad")
    rows = {row["name"]: row for row in json.loads(run("list", "--json", "--images", str(folder.root)))}
    assert {"gpu", "minimal", "pytorch"} <= set(rows)
    assert "bad/recipe.yaml:3:14" in rows["bad"]["summary"]


def test_show_names_components_in_order_with_their_parameters(folder):
    shown = json.loads(run("show", "gpu", "--json", "--images", str(folder.root)))
    assert [step["name"] for step in shown["components"]] == ["driver", "cuda", "nccl"]
    assert shown["components"][0]["parameters"] == {"branch": "580"}
    assert "branch=580" in run("show", "gpu", "--images", str(folder.root))


def test_show_of_a_wrong_recipe_ends_with_the_code_of_a_wrong_file(folder):
    folder.recipe("name: gpu\nsummary: x\ncomponents: [driver]\nroot_gib: many\n")
    assert "recipe.yaml:4:11: root_gib: expected a whole number" in run(
        "show", "gpu", "--images", str(folder.root), code=2
    )


@pytest.mark.parametrize("target", ["imagebuilder", "packer", "docker", "cloud-init"])
def test_spec_writes_a_folder_that_holds_all_that_the_tool_needs(folder, tmp_path, target):
    out = tmp_path / "out"
    answer = json.loads(run("spec", "gpu", "--to", target, "-o", str(out), "--images", str(folder.root), "--json"))
    assert sorted(answer["files"]) == sorted(str(path) for path in out.rglob("*") if path.is_file())
    if target in {"packer", "docker"}:
        assert (out / "components/cuda/install.sh").read_text() == "echo cuda install.sh\n"


def test_spec_without_a_folder_prints_the_main_file(folder):
    assert run("spec", "gpu", "--to", "cloud-init", "--images", str(folder.root)).startswith("#cloud-config\n")


def test_user_data_that_is_too_long_is_compressed_beside(folder, tmp_path):
    folder.write("components/driver/long.txt", "x\n" * LIMIT)
    run("spec", "gpu", "--to", "cloud-init", "-o", str(tmp_path / "out"), "--images", str(folder.root))
    packed = tmp_path / "out/user-data.gz"
    assert packed.stat().st_size < LIMIT
    assert gzip.decompress(packed.read_bytes()) == (tmp_path / "out/user-data.yaml").read_bytes()


def test_building_on_the_embedded_cloud_says_what_to_do_instead(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    text = run("build", "gpu", "--images", str(folder.root), code=2)
    assert "no EC2 Image Builder" in text


def test_a_build_costs_two_machines_for_its_time_and_its_snapshots(folder):
    folder.recipe(
        "name: gpu\nsummary: x\ncomponents: [driver]\nroot_gib: 40\nbuild_type: c7i.xlarge\nbuild_minutes: 30\n"
        "regions: [us-east-2]\n"
    )
    price = cost(load_image(folder.library, "gpu"), "us-east-1")
    assert price.build == pytest.approx(0.1785)  # one hour of c7i.xlarge in us-east-1
    assert price.month == pytest.approx(2 * 40 * 0.05)
    assert cost(load_image(folder.library, "gpu"), "sa-east-1").month is None


@pytest.fixture
def root(monkeypatch):
    """As root on Linux with debootstrap."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}")


WRONG_PLACES = {
    "not empty": ({}, "there is something already"),
    "bind": ({"binds": ("/nowhere:/x",)}, "not HOST:TARGET"),
    "variable": ({"env": ("1=2",)}, "not KEY=VALUE"),
}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("case", WRONG_PLACES)
def test_a_root_file_system_is_not_begun_where_it_cannot_be_made(folder, tmp_path, case):
    settings, message = WRONG_PLACES[case]
    place = rootfs.Place(folder.root if case == "not empty" else tmp_path / "root", **settings)
    with pytest.raises(UserError, match=message):
        rootfs.check(load_image(folder.library, "gpu"), place)
    assert not (tmp_path / "root").exists()


@pytest.mark.usefixtures("root")
def test_amazon_linux_cannot_be_bootstrapped_and_another_platform_is_named(folder, tmp_path):
    folder.recipe("name: gpu\nsummary: x\nbase: al2023\nplatforms: [debian-12]\ncomponents: [driver]\nroot_gib: 40\n")
    with pytest.raises(UserError) as caught:
        rootfs.check(load_image(folder.library, "gpu"), rootfs.Place(tmp_path / "root"))
    assert caught.value.hint == "--platform debian-12"


def test_only_root_on_linux_builds_a_root_file_system(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError) as caught:
        rootfs.check(load_image(folder.library, "gpu"), rootfs.Place(tmp_path / "root"))
    assert (caught.value.code, "root on Linux" in caught.value.what) == (Exit.USAGE, True)
