"""The recipes of docs/training.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[3] / "docs" / "training.md"


def test_every_recipe_of_the_manual_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 10
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    said = capsys.readouterr().out
    assert names["logits"].shape == (359, 10)
    assert names["fitted"].history[-1]["test_rmse"] < 0.1
    assert "epochs; the best was" in said
    assert (tmp_path / "log.csv").read_text().startswith("epoch,step,loss,accuracy")
    assert names["loop"].history[-1]["test_accuracy"] > 0.8
