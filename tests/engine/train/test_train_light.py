"""The compiler of torch stays unloaded until somebody wants it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from dlengine.train import light

PROGRAM = """
import sys
import torch
import dlengine

x, y = torch.rand(40, 4), torch.randint(3, (40,))
for kind in ("sgd", "adamw"):
    model = torch.nn.Linear(4, 3)
    arguments = {"optimizer": kind, "checkpoint": sys.argv[1] + kind, "clip_norm": 1.0, "progress": False}
    dlengine.fit(model, (x, y), (x, y), epochs=1, **arguments)
    dlengine.fit(model, (x, y), (x, y), epochs=2, **arguments)
assert "torch._dynamo" not in sys.modules
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # afterwards torch does as ever
assert "torch._dynamo" in sys.modules
"""


@pytest.mark.slow
def test_fit_neither_loads_the_compiler_nor_keeps_others_from_it(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def untouched(monkeypatch):
    """The methods that torch marks, as they are in a process that has made no optimizer yet."""
    monkeypatch.setattr(light, "_COMPILER", "no_such_compiler")
    marked = [each for each in vars(torch.optim.Optimizer).values() if hasattr(each, "__wrapped__")]
    for method in marked:
        monkeypatch.delattr(method.__wrapped__, light._KNOWN, raising=False)
    return marked


def test_methods_are_called_as_they_are_and_forgotten_at_the_end(untouched):
    found = light._marked()
    assert {"zero_grad", "add_param_group", "state_dict", "load_state_dict"} <= {f.__name__ for f, _ in found}
    with light.without_compiler():
        assert light._marked() == []  # a second block inside leaves them to the first
        parameter = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([parameter], lr=0.5)
        parameter.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert parameter.tolist() == [0.5, 0.5]
        assert parameter.grad is None
        with pytest.raises(ValueError, match="some parameters appear in more than one"):
            optimizer.add_param_group({"params": [parameter]})
    assert light._marked() == found


def test_a_compiler_that_somebody_loads_meanwhile_gets_the_methods(untouched, monkeypatch):
    with light.without_compiler():
        monkeypatch.setitem(sys.modules, "no_such_compiler", torch)
        torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.5)
        inner = torch.optim.Optimizer.add_param_group.__wrapped__
        assert getattr(inner, light._KNOWN).__module__ != light.__name__
        own = getattr(inner, light._KNOWN)
    assert getattr(inner, light._KNOWN) is own


def test_a_torch_without_these_marks_does_as_it_likes(untouched, monkeypatch):
    monkeypatch.delattr(torch, "_disable_dynamo")
    assert light._marked() == []
