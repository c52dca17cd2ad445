"""Our start of torchrun: its options, its exit code, garbage collected again, and none of our modules in its way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dlcluster.node

SCRIPT = Path(dlcluster.node.__path__[0]) / "torchrun.py"
STAND_IN = """
import gc, sys
def main():
    print(gc.isenabled(), sys.argv[1:], any(path.endswith("/node") for path in sys.path))
    sys.exit(7)
"""


def test_torchrun_is_called_with_its_options_and_ends_with_its_code(tmp_path):
    package = tmp_path / "torch" / "distributed"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.touch()
    (package / "run.py").write_text(STAND_IN)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, SCRIPT, "--a", "b"], env=env, capture_output=True, text=True)
    assert done.returncode == 7
    assert done.stdout == "True ['--a', 'b'] False\n"


def test_an_interpreter_without_torch_says_so_last(tmp_path):
    done = subprocess.run([sys.executable, "-S", SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'torch'"
