"""Every framework for real: its environment is built by its install.sh in a folder, and its test.sh trains on digits.

Interpreters: those of pyenv (`pyenv install 3.6.15` and the like) or on PATH. Gigabytes are downloaded;
with PIP_CACHE_DIR set only the first time. System packages (a compiler, Open MPI) have to be there:
nothing is installed outside the folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlcluster.image.library import Library
from dlcluster.image.load import load_image
from dlcluster.image.resolved import Step

IMAGES = Path(__file__).parents[3] / "images"
STEPS = {step.name: step for step in load_image(Library((IMAGES,)), "frameworks").installs}
FRAMEWORKS = [name for name, step in STEPS.items() if step.component and step.component.framework]
PROGRAMS = {"theano": "g++", "pytensor": "g++", "cntk": "mpirun", "horovod": "cmake"}
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.xdist_group("frameworks")]


class Machine:
    """A folder that stands for /opt/dl, and a package manager that installs nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.prefix = folder, folder / "dl"
        (folder / "bin").mkdir()
        (folder / "bin/apt-get").write_text("#!/bin/sh\n")
        (folder / "bin/apt-get").chmod(0o755)
        pythons = [str(path) for path in sorted(PYENV.glob("*/bin"))]
        self.path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"], *pythons])

    def run(self, name: str, script: str, **parameters: str) -> str:
        """Run a script of a component; what it prints. An AssertionError when it fails."""
        step = STEPS[name]
        place = self.folder / name
        if not place.exists():
            place.mkdir()
            for file in step.files:
                (place / file).write_bytes(_content(step, file))
        values = {**step.parameters, **{f"PARAM_{key.upper()}": value for key, value in parameters.items()}}
        values |= {"PARAM_PREFIX": str(self.prefix), "PATH": self.path, "OMP_NUM_THREADS": "1"}
        values |= {"IMAGE_TARGET": "rootfs", "IMAGE_PLATFORM": "debian-12", "IMAGE_ARCHITECTURE": "x86_64"}
        answer = subprocess.run(
            ["bash", script],
            cwd=place,
            env={**os.environ, **values},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert answer.returncode == 0, answer.stdout[-4000:]
        print(answer.stdout[-500:])
        return answer.stdout


def _content(step: Step, file: str) -> bytes:
    content = step.files[file]
    return content if isinstance(content, bytes) else content.encode()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Not below tmp_path: pytest keeps the last three of those, and this one has gigabytes."""
    with tempfile.TemporaryDirectory(prefix="dlcluster-frameworks-") as folder:
        made = Machine(Path(folder))
        made.run("python", "install.sh", versions="3.11")
        yield made


def _needs(name: str, machine: Machine) -> None:
    component = STEPS[name].component
    assert component is not None
    assert component.framework is not None
    python = f"python{component.framework.python}"
    for program in filter(None, [python, PROGRAMS.get(name)]):
        if shutil.which(program, path=machine.path) is None:
            pytest.skip(f"needs {program}")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_frameworks_environment_trains_on_real_digits(machine, name):
    _needs(name, machine)
    machine.run(name, "install.sh", accelerator="cpu")
    printed = machine.run(name, "test.sh", accelerator="cpu")
    assert printed.count("accuracy 0.9") == (3 if name == "keras" else 1)
    machine.run(name, "install.sh", accelerator="cpu")  # a second time changes nothing, and fails on nothing


def test_jupyterlab_has_a_kernel_for_every_environment(machine):
    for name in ("mxnet-python2", "pytensor"):
        _needs(name, machine)
        machine.run(name, "install.sh")
    machine.run("jupyter", "install.sh")
    printed = machine.run("jupyter", "test.sh")
    assert "kernel mxnet-python2: 2.7" in printed
    assert "kernel pytensor: 3.11" in printed
    assert "JupyterLab answers 200" in printed
