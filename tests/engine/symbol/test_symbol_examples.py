"""The examples of declarative networks: as short as promised, exact, and running."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from dlengine import models

EXAMPLES = Path(__file__).parents[3] / "examples"


def code_lines(path: Path, *names: str) -> int:
    """Lines of code, without blank lines, comments and docstrings: of a whole file, or of imports and named parts."""
    text = path.read_text()
    rows: set[int] = set()
    for part in ast.parse(text).body:
        docstring = isinstance(part, ast.Expr)
        wanted = not names or getattr(part, "name", "") in names
        if not docstring and (wanted or ("symbol" in ast.unparse(part) and isinstance(part, ast.ImportFrom))):
            rows |= set(range(part.lineno, part.end_lineno + 1))
    lines = text.splitlines()
    return sum(bool(lines[row - 1].strip()) and not lines[row - 1].strip().startswith("#") for row in rows)


def run(path: str, *arguments: str, monkeypatch: Any) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    monkeypatch.syspath_prepend(str((EXAMPLES / path).parent))
    return runpy.run_path(str(EXAMPLES / path), run_name="__main__")


def network(path: str, name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / path))[name]


def test_lenet_takes_at_most_12_lines_and_is_the_one_of_the_zoo():
    assert code_lines(EXAMPLES / "lenet/declared.py", "lenet") <= 12  # MXNet: 26
    net = network("lenet/declared.py", "lenet")()
    declared, by_hand = net.bind((1, 1, 28, 28), seed=3), models.lenet(seed=3)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(declared(x), by_hand(x))
    assert net.summary((1, 1, 28, 28)).parameters == 431_080


def test_inception_takes_at_most_40_lines_and_has_the_size_of_the_paper():
    assert code_lines(EXAMPLES / "inception/network.py") <= 40  # MXNet: 55
    summary = network("inception/network.py", "inception_v1")().summary((1, 3, 224, 224))
    assert summary.parameters == 6_998_552
    assert summary.multiply_adds == pytest.approx(1.58e9, abs=0.01e9)


def test_declared_inception_equals_the_one_written_by_hand():
    net = network("inception/network.py", "inception_v1")(classes=5).bind((1, 3, 64, 64)).double()
    hand = models.inception_v1(classes=5).double()
    net.load_state_dict(hand.state_dict())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs, slopes = [], []
    for module in (net.eval(), hand.eval()):
        outputs.append(module(x))
        outputs[-1].sum().backward()
        slopes.append({name: weight.grad for name, weight in module.named_parameters()})
    assert torch.equal(*outputs)
    assert slopes[0].keys() == slopes[1].keys()
    for name in slopes[0]:
        assert torch.allclose(slopes[0][name], slopes[1][name], rtol=1e-9, atol=1e-11), name


def test_the_inception_example_prints_the_summary_and_trains(monkeypatch, capsys, tmp_path):
    run("inception/train.py", "--epochs=1ba", "--samples=16", f"--draw={tmp_path}/net.svg", monkeypatch=monkeypatch)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "6,998,552 parameters (26.7 MiB), 1.583 G multiply-adds (3.165 GFLOP), 38.4 MiB of outputs"
    assert out[-1].startswith("test accuracy 0.")
    assert (tmp_path / "net.svg").read_text().startswith("<svg")


def test_the_custom_operator_works_in_code_and_graph(monkeypatch, capsys):
    run("custom_operator/custom_operator.py", "5ba", monkeypatch=monkeypatch)
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["sign", "[-1.", "-1.", "1.", "1.]"]
    assert out[1].split() == ["gradient", "[0.", "3.", "3.", "0.]"]
    assert sum("of the features are yes" in line for line in out) == 3
    assert "test accuracy 0." in out[-1]


@pytest.mark.slow
def test_the_examples_reach_what_the_documents_say(monkeypatch):
    assert run("lenet/declared.py", monkeypatch=monkeypatch)["result"].test_accuracy >= 0.94
    assert run("inception/train.py", monkeypatch=monkeypatch)["result"].test_accuracy >= 0.6
    assert run("custom_operator/custom_operator.py", monkeypatch=monkeypatch)["result"].test_accuracy >= 0.85
