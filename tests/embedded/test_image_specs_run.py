"""Specs run by the tools they are for: buildah builds the Dockerfile, cloud-init carries out the user data.

Both start from a Debian root file system made by debootstrap: needs root, Linux and a Debian mirror, but no Docker and
no cloud.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlcluster.image import rootfs
from dlcluster.image.library import library
from dlcluster.image.load import load_image

COMMAND = [sys.executable, "-c", "from dlcluster.cli import main; main()", "image", "spec", "minimal"]
INSIDE = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "bash"]
CHROOT = str(Path(rootfs.__file__).with_name("chroot.sh"))
# Only the modules that the user data is for: others would look at this machine's disks and network.
CLOUD_CONFIG = """\
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write-files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
system_info: {distro: debian}
"""
STAGES = (
    "cloud-init init --local && cloud-init init && cloud-init modules --mode=config && cloud-init modules --mode=final"
)

pytestmark = pytest.mark.root_filesystem


def run(*command: str) -> str:
    """Run a command; what it prints. An AssertionError when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    print(done.stdout[-1500:])
    return done.stdout


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("debian") / "root"
    platform = load_image(library(), "minimal").platform
    options = ["--variant=minbase", "--include=ca-certificates"]
    run("debootstrap", *options, str(platform.suite), str(root), str(platform.mirror))
    return root


@pytest.mark.skipif(shutil.which("buildah") is None, reason="needs buildah")
def test_buildah_builds_the_dockerfile_and_its_tests_run_inside(debian, tmp_path):
    image = load_image(library(), "minimal")
    run(*COMMAND, "--to", "docker", "-o", str(tmp_path / "spec"))
    store = ["--root", str(tmp_path / "store"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    buildah = ["buildah", *store]
    container = run(*buildah, "from", "scratch").strip()
    run(*buildah, "add", container, str(debian), "/")
    run(*buildah, "commit", container, f"docker.io/library/{image.platform.docker}")
    options = ["--isolation", "chroot", "--pull-never", "--format", "docker", "--tag", "built"]
    printed = run(*buildah, "bud", *options, "-f", str(tmp_path / "spec/Dockerfile"), str(tmp_path / "spec"))
    assert "\nbase-tools: ok\n" in printed
    labels = run(*buildah, "inspect", "--type", "image", "--format", "{{.Docker.Config.Labels}}", "built")
    assert f"dlcluster.recipe-hash:{image.hash}" in labels
    made = run(*buildah, "from", "--pull-never", "built").strip()
    again = ["env", *(f"{name}={value}" for name, value in image.environment(image.steps[0], "docker").items())]
    inside = [*buildah, "run", "--isolation", "chroot", "--workingdir", image.steps[0].folder, made]
    assert "base-tools: ok" in run(*inside, *again, "bash", "test.sh"), "the image can test itself later"


def test_cloud_init_makes_a_machine_into_the_image(debian, tmp_path):
    root = tmp_path / "root"
    run("cp", "-a", str(debian), str(root))
    inside = [*INSIDE, CHROOT, str(root), "--", "bash", "-c"]
    run(*inside, "apt-get update && apt-get install -y --no-install-recommends cloud-init")
    seed = root / "var/lib/cloud/seed/nocloud"
    seed.mkdir(parents=True)
    run(*COMMAND, "--to", "cloud-init", "-o", str(tmp_path / "spec"))
    shutil.copy(tmp_path / "spec/user-data.yaml", seed / "user-data")
    (seed / "meta-data").write_text("instance-id: one\n")
    (root / "etc/cloud/cloud.cfg").write_text(CLOUD_CONFIG)
    printed = run(*inside, STAGES)
    assert "\nbase-tools: ok\n" in printed
    image = load_image(library(), "minimal")
    assert (root / "opt/dlcluster/image/ready").read_text() == f"{image.hash}\n", "written after the last test"
