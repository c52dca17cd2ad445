"""Components for real in a Debian root file system: Slurm runs jobs, PyTorch trains, JupyterLab answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dlcluster.image import rootfs
from dlcluster.image.library import Library
from dlcluster.image.load import load_image
from dlcluster.image.resolved import Image, Step
from dlcluster.image.rootfs import TARGET, Place, build

CHROOT = str(Path(rootfs.__file__).with_name("chroot.sh"))
IMAGES = Path(__file__).parents[3] / "images"
HEAD = "name: tried\nsummary: For a test\nbase: debian-12\nroot_gib: 30\n"
SLURM = f"{HEAD}components: [node, slurm]\n"
TORCH = f"{HEAD}components: [node, python, {{name: torch, parameters: {{accelerator: cpu}}}}, jupyter]\n"

pytestmark = pytest.mark.root_filesystem


def built(recipe: str, tmp_path: Path) -> str:
    """Build the recipe, with this machine's way to PyPI; the log."""
    (tmp_path / "images/tried").mkdir(parents=True)
    (tmp_path / "images/tried/recipe.yaml").write_text(recipe)
    binds, environment = (
        [],
        [f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")],
    )
    for name in ("PIP_CERT", "PIP_FIND_LINKS"):
        if Path(os.environ.get(name, "")).is_absolute():
            binds.append(f"{os.environ[name]}:/mnt/{name}")
            environment.append(f"{name}=/mnt/{name}")
    place = Place(tmp_path / "root", binds=tuple(binds), env=tuple(environment))
    image = load_image(Library((tmp_path / "images", IMAGES)), "tried")
    try:
        build(image, place, print)
        for step in image.installs:
            once_more(image, step, place)
        return place.log.read_text()
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(place.root)], check=True)


def once_more(image: Image, step: Step, place: Place) -> None:
    """install.sh and test.sh of what is there already."""
    pairs = [f"{name}={value}" for name, value in image.environment(step, TARGET).items()]
    command = ["env", f"--chdir={step.folder}", *pairs, *place.env, "bash", "-c", "bash install.sh && bash test.sh"]
    inside = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "bash",
        CHROOT,
        str(place.root),
        *place.binds,
        "--",
    ]
    done = subprocess.run([*inside, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_slurm_runs_a_job_by_srun_and_one_by_sbatch(tmp_path):
    log = built(SLURM, tmp_path)
    assert "srun: ran on " in log
    assert "job 2 on " in log


def test_pytorch_trains_and_jupyterlab_answers(tmp_path):
    log = built(TORCH, tmp_path)
    assert "accuracy 0.9" in log
    assert "kernel torch: 3.11" in log
    assert "JupyterLab answers 200" in log
