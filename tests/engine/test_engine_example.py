"""The example as a user runs it: alone, interrupted by a notice, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "lenet" / "train.py"


def start(tmp_path: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"DLCLUSTER_OUTPUT_DIR": str(tmp_path / "out"), "OMP_NUM_THREADS": "1"}
    environment.pop("WORLD_SIZE", None)
    command = [sys.executable, EXAMPLE, "--epochs", "4ep"]
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True)


def test_the_example_survives_a_notice_and_recognises_unseen_digits(tmp_path):
    first = start(tmp_path)
    for line in first.stdout:
        if line.startswith("epoch 2/4"):
            break
    first.send_signal(signal.SIGTERM)
    rest, complaint = first.communicate(timeout=120)
    assert first.returncode == 143, complaint
    assert "told to stop (SIGTERM)" in complaint
    assert "saved" in complaint
    assert "test accuracy" not in rest

    out, complaint = start(tmp_path).communicate(timeout=240)
    lines = out.splitlines()
    assert lines[1].startswith(f"resumed from {tmp_path}/out/checkpoints/step-"), complaint
    assert lines[-2].startswith("epoch 4/4")
    assert lines[-1].startswith("test accuracy 0.9")
    assert float(lines[-1].split()[-1]) >= 0.96
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert facts["ranks"] == 1
    assert facts["test_accuracy"] >= 0.96
    assert facts["samples_per_second"] > 0
