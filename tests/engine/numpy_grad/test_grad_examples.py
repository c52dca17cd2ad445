"""The examples, run as a user runs them: each must reach its result."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples" / "numpy"


def run(name: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    script = [sys.executable, "-W", "error::UserWarning", EXAMPLES / f"{name}.py"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def last_number(text: str) -> float:
    return float(re.findall(r"[-\d.]+", text.splitlines()[-1])[-1])


@pytest.mark.slow
def test_logistic_regression_tells_tumours_apart():
    assert last_number(run("logistic_regression")) >= 0.95


def test_second_derivatives_are_those_of_the_formulas(capsys):
    runpy.run_path(str(EXAMPLES / "second_derivatives.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tanh, derivative 0: [-0.96402758 -0.76159416  0.          0.76159416  0.96402758]"
    assert lines[2].startswith("tanh, derivative 2: [ 0.1362186")
    assert re.fullmatch(r"Newton's method: \[1\. 1\.\] after \d steps", lines[5])
    left, right = re.findall(r"\[[^]]*\]", lines[6])[1:]
    assert left == right


@pytest.mark.slow
def test_the_recurrent_network_adds_longer_numbers_than_it_saw():
    assert last_number(run("rnn")) >= 0.95


@pytest.mark.slow
def test_the_policy_balances_the_pole():
    lines = run("policy_gradient").splitlines()
    first = float(lines[0].split()[-1])
    last = float(re.findall(r"([\d.]+) of 200", lines[-1])[0])
    assert first < 40
    assert last > 150
