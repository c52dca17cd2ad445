"""The tools that read the specs accept them; a tool that this machine lacks skips its test, and says so."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig

import pytest

from dlcluster.image.library import Library, shipped
from dlcluster.image.load import load_image
from dlcluster.image.spec import render

SHIPPED = Library((shipped(),))
IMAGES = shipped()
NAMES = list(SHIPPED.recipes())
SOME_SLOW = [name if name == "minimal" else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
OTHERS = [(name, platform) for name in NAMES for platform in load_image(SHIPPED, name).recipe.platforms]
PLATFORMS = [*((name, None) for name in NAMES), *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS)]
SHARED = """\
name: gpu
summary: x
components: [driver]
root_gib: 40
regions: [eu-west-1]
schedule: cron(0 4 ? * sun *)
tags: {team: vision}
share:
  accounts: ['123456789012']
  organizations: ['arn:aws:organizations::123456789012:organization/o-abcdefghij']
"""


def tool(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def accepts(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def lint(template: str) -> list[str]:
    """cfn-lint's findings: errors, warnings and informational ones."""
    from cfnlint.api import ManualArgs
    from cfnlint.api import lint as run

    config = ManualArgs(regions=["us-east-1", "eu-central-1"], include_checks=["I"])
    return [str(match) for match in run(template, config=config)]


def template(name: str) -> str:
    return render(load_image(SHIPPED, name), "imagebuilder").files["template.json"]


def test_cfn_lint_accepts_a_template_with_everything_and_would_speak_up(folder):
    folder.recipe(SHARED)
    folder.write("components/driver/long.txt", "x" * 9000)
    text = render(load_image(folder.library, "gpu"), "imagebuilder").files["template.json"]
    assert lint(text) == []
    assert any("ParentImge" in finding for finding in lint(text.replace("ParentImage", "ParentImge")))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_accepts_the_template_of_a_shipped_recipe(name):
    assert lint(template(name)) == []


@pytest.mark.parametrize("name", SOME_SLOW)
def test_packer_accepts_the_template(name, tmp_path):
    # As new as Debian's Packer: it has the plugin built in, and refuses the file that names it.
    (tmp_path / "image.pkr.hcl").write_text(render(load_image(SHIPPED, name), "packer").files["image.pkr.hcl"])
    accepts(tool("packer"), "validate", f"-var=context={IMAGES}", str(tmp_path))
    accepts(tool("packer"), "fmt", "-check", str(tmp_path / "image.pkr.hcl"))


def test_packer_would_speak_up(tmp_path):
    text = render(load_image(SHIPPED, "minimal"), "packer").files["image.pkr.hcl"]
    (tmp_path / "image.pkr.hcl").write_text(text.replace("ssh_username", "ssh_usrname"))
    done = subprocess.run([tool("packer"), "validate", f"-var=context={IMAGES}", str(tmp_path)], capture_output=True)
    assert done.returncode != 0


@pytest.mark.parametrize(("name", "platform"), PLATFORMS)
def test_hadolint_accepts_the_dockerfile(name, platform, tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text(render(load_image(SHIPPED, name, platform), "docker").files["Dockerfile"])
    accepts(tool("hadolint"), str(file))


@pytest.mark.parametrize("name", SOME_SLOW)
def test_cloud_init_accepts_the_user_data(name, tmp_path):
    file = tmp_path / "user-data"
    file.write_text(render(load_image(SHIPPED, name), "cloud-init").files["user-data.yaml"])
    accepts(tool("cloud-init"), "schema", "--config-file", str(file))


def test_every_script_stops_at_the_first_failure():
    for path in (IMAGES / "components").glob("*/*.sh"):
        if path.name in {"install.sh", "test.sh"}:
            assert path.read_text().startswith("#!/usr/bin/env bash\n"), path
            assert "\nset -euo pipefail\n" in path.read_text(), path
