"""What the install scripts ask of each platform's package manager: the real scripts, in a root file system of their own
over this machine's, with package managers and downloads that only write down what they are asked for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlcluster.image.library import Library, shipped
from dlcluster.image.load import load_image
from dlcluster.image.resolved import Image, Step
from dlcluster.image.shell import assignments

SHIPPED = Library((shipped(),))
KERNEL = "6.12.40-63.114.amzn2023.x86_64"
DRIVER = "580.95.05"
# In mount and process namespaces of its own: whatever the scripts write lies in memory, and is gone afterwards.
OVERLAY = """\
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
cp -r "$2" "$1/root/place"
if [ ! -e "$2/bin/apt-get" ]; then
  rm -f "$1/root/usr/bin/apt-get" "$1/root/usr/bin/dpkg"
  mkdir -p "$1/root/etc/yum.repos.d"
fi
chroot "$1/root" bash -eu /place/all.sh
"""
ALL = "export PATH=/place/bin:$PATH\n"
# Twice: what is there already must not be in the way.
ONE = """\
for time in first second; do
  echo "[{name} $time]" >>/place/asked
  (cd /place/{name} && env {variables} bash install.sh >&2)
done
"""
RECORD = '#!/bin/bash\necho "$(basename "$0") $*" >>/place/asked\n'
DPKG = (
    '#!/bin/bash\nif [[ $1 == --print-architecture ]]; then echo amd64; else echo "dpkg ${*##*/}" >>/place/asked; fi\n'
)
# Instead of those that check digests and signatures, which have tests of their own.
FETCH = """
download() { echo "fetch $1 $2" >>/place/asked; touch "$3"; }
download_key() { echo "key $1 $2" >>/place/asked; touch "$3"; }
download_signed() {
  echo "signed $1 $2" >>/place/asked
  mkdir -p aws-efa-installer
  cp /place/bin/systemctl aws-efa-installer/efa_installer.sh
  tar -cf "$4" aws-efa-installer
}
"""
NVIDIA = {"ubuntu-22.04": "ubuntu2204", "ubuntu-24.04": "ubuntu2404", "debian-12": "debian12", "al2023": "amzn2023"}

APT = "apt-get install -y -q --no-install-recommends "
KEYS = "key https://developer.download.nvidia.com/compute/cuda/repos"
ENABLED = ["systemctl cat nvidia-persistenced", "systemctl enable nvidia-persistenced"]
ENABLED += ["systemctl cat nvidia-fabricmanager", "systemctl enable nvidia-fabricmanager"]
APT_DRIVER = {
    platform: [
        "ca-certificates curl gnupg",
        f"{KEYS}/{NVIDIA[platform]}/x86_64/3bf863cc.pub EB693B3035CD5710E231E123A4B469963BF863CC",
        "nvidia-driver-pinning-580",
        f"build-essential dkms linux-headers-{KERNEL} nvidia-open",
        f"nvidia-fabricmanager={DRIVER}-*",
        *ENABLED,
    ]
    for platform in NVIDIA
}
DNF_DRIVER = [
    f"{KEYS}/amzn2023/x86_64/D42D0685.pub 610C7B14E068A878070DA4E99CD0A493D42D0685",
    f"dnf install -y dkms gcc make kernel-devel-{KERNEL} kernel-headers-{KERNEL} kernel6.12-modules-extra-{KERNEL}",
    "dnf module reset -y nvidia-driver",
    "dnf module enable -y nvidia-driver:580-open",
    "dnf install -y nvidia-open",
    f"dnf install -y nvidia-fabricmanager-{DRIVER}",
    *ENABLED,
]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a root file system of its own")


def _place(image: Image, steps: list[Step], folder: Path) -> None:
    managers = ["dnf"] if image.platform.name == "al2023" else ["apt-get", "dpkg"]
    programs = dict.fromkeys(["systemctl", "nvidia-ctk", *managers], RECORD)
    programs |= {"uname": f"#!/bin/bash\necho {KERNEL}\n", "modinfo": f"#!/bin/bash\necho {DRIVER}\n"}
    if "dpkg" in programs:
        programs["dpkg"] = DPKG
    (folder / "bin").mkdir(parents=True)
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    for step in steps:
        (folder / step.name).mkdir()
        for name, content in step.files.items():
            (folder / step.name / name).write_bytes(content + (FETCH.encode() if name == "common.sh" else b""))
    calls = [ONE.format(name=step.name, variables=assignments(image, step, "packer")) for step in steps]
    (folder / "all.sh").write_text("".join([ALL, *calls, "cat /place/asked\n"]))


def asked(image: Image, steps: list[Step], tmp_path: Path) -> dict[tuple[str, str], list[str]]:
    """What each install.sh asks for, the first time and the second. An AssertionError when one fails."""
    (tmp_path / "mount").mkdir()
    _place(image, steps, tmp_path / "place")
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", OVERLAY, "overlay"]
    done = subprocess.run(
        [*inside, str(tmp_path / "mount"), str(tmp_path / "place")], capture_output=True, text=True, env={**os.environ}
    )
    if done.returncode and done.stderr.startswith(("mount:", "unshare:")):
        pytest.skip(f"cannot mount here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return dict(_sections(done.stdout.splitlines()))


def _sections(lines: list[str]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    for line in lines:
        if line.startswith("["):
            name, time = line.strip("[]").split()
            section: list[str] = []
            yield (name, time), section
        elif line != "apt-get update -q":
            section.append(line)


def _steps(platform: str) -> tuple[Image, list[Step]]:
    """The shipped components that use common.sh, but for frameworks: those have tests of their own."""
    recipes = {name: load_image(SHIPPED, name).recipe for name in SHIPPED.recipes()}
    images = [load_image(SHIPPED, n, platform) for n, r in recipes.items() if platform in (r.base, *r.platforms)]
    steps = {step.name: step for image in images for step in image.installs}
    return images[0], [step for step in steps.values() if "common.sh" in step.files and "python.sh" not in step.files]


@pytest.mark.parametrize("platform", NVIDIA)
def test_every_script_runs_twice_and_asks_the_platforms_own_package_manager(platform, tmp_path):
    image, steps = _steps(platform)
    found = asked(image, steps, tmp_path)
    manager, other = ("dnf", "apt-get") if platform == "al2023" else ("apt-get", "dnf")
    for step in steps:
        first, second = found[step.name, "first"], found[step.name, "second"]
        assert second == first, f"{step.name}: asks for something else when all is there"
        assert any(line.startswith(f"{manager} install ") for line in first)
        assert not any(line.startswith(f"{other} ") for line in first)
        for line in first:
            assert "/compute/cuda/repos/" not in line or f"/repos/{NVIDIA[platform]}/x86_64/" in line
    wanted = DNF_DRIVER if platform == "al2023" else APT_DRIVER[platform]
    assert [line.removeprefix(APT) for line in found["nvidia-driver", "first"]] == wanted
