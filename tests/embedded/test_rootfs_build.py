"""A recipe built for real as a root file system: needs root, Linux, debootstrap and a Debian mirror."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root_filesystem

COMMAND = [sys.executable, "-c", "from dlcluster.cli import main; main()", "image", "build"]
FAILING = "#!/usr/bin/env bash\nset -euo pipefail\nsleep 1000 &\necho about to fail\nfalse\n"


def build(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *args, "--to", "rootfs"], capture_output=True, text=True)


def mounts_below(root: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]


def processes_below(root: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "root").startswith(str(root)):
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_the_smallest_recipe_is_built_and_its_tests_run_inside(tmp_path):
    root = tmp_path / "root"
    done = build("minimal", "-o", str(root), "--bind", f"{__file__}:/mnt/test", "--env", "SOME=thing", "--json")
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)["ran"]
    assert [(one["step"], one["script"]) for one in ran[1:]] == [
        ("base-tools", "install.sh"),
        ("base-tools", "test.sh"),
    ]
    assert "base-tools: ok" in (tmp_path / "root.log").read_text()
    assert "bookworm" in (root / "etc/os-release").read_text()
    assert (root / "opt/dlcluster/image/base-tools/test.sh").is_file()
    assert not (root / "usr/sbin/policy-rc.d").exists()
    assert (root / "mnt/test").read_text() == "", "bound while building, and no longer"
    assert mounts_below(root) == []


def test_a_component_that_fails_is_named_and_nothing_stays_mounted_or_running(tmp_path):
    own = tmp_path / "images"
    component = own / "components/broken"
    component.mkdir(parents=True)
    (component / "component.yaml").write_text("name: broken\nversion: 1.0.0\nsummary: Fails\n")
    (component / "install.sh").write_text(FAILING)
    (component / "test.sh").write_text("true\n")
    (own / "bad").mkdir()
    (own / "bad/recipe.yaml").write_text("name: bad\nsummary: x\nbase: debian-12\ncomponents: [broken]\nroot_gib: 8\n")
    root = tmp_path / "root"
    done = build("bad", "-o", str(root), "--images", str(own))
    assert done.returncode == 73
    assert "broken/install.sh failed (exit code 1)" in done.stderr
    assert "about to fail" in done.stderr
    assert "Traceback" not in done.stderr
    assert mounts_below(root) == []
    assert processes_below(root) == []
