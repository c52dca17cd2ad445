"""Ten pieces of ordinary NumPy code, run here with nothing changed but the import, and differentiated.

Each prints what it finds: the text must be NumPy's, to the last character. Each has an `objective` of START, whose
derivatives must be those that finite differences of NumPy's own run of it give.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import dlengine.numpy as np
import numpy
import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def loaded(path: Path, ours: bool, name: str) -> dict[str, Any]:
    text = path.read_text()
    if ours:
        text = text.replace("import numpy as np", "import dlengine.numpy as np")
        text = text.replace("from numpy.", "from dlengine.numpy.")
        assert text.count("dlengine") >= 1
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text, str(path), "exec"), space)
    return space


def printed(path: Path, ours: bool) -> list[str]:
    with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded(path, ours, "__main__")
    return out.getvalue().splitlines()


def test_there_are_ten() -> None:
    assert len(PROGRAMS) == 10


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_prints_what_it_prints_with_numpy(path: Path) -> None:
    expected = printed(path, ours=False)
    assert len(expected) >= 8
    assert printed(path, ours=True) == expected


def slope(function: Any, x: Any, along: Any, step: float) -> Any:
    """The derivative of a function of NumPy arrays in one direction, by differences of the fourth order."""
    near, far = (function(x + h * along) - function(x - h * along) for h in (step, 2 * step))
    return (8 * near - far) / (12 * step)


def directions(x: Any) -> list[Any]:
    rng = numpy.random.default_rng(x.size)
    return [rng.normal(size=x.shape) for _ in range(3)]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_gradients_pass_through_a_program(path: Path) -> None:
    theirs, ours = loaded(path, False, "theirs"), loaded(path, True, "ours")
    x = theirs["START"]
    value, gradient = np.value_and_grad(ours["objective"])(ours["START"])
    assert float(value) == pytest.approx(float(theirs["objective"](x)), rel=1e-10)
    gradient = numpy.asarray(gradient)
    assert gradient.shape == x.shape
    assert numpy.abs(gradient).max() > 1e-3
    for along in directions(x):
        expected = slope(theirs["objective"], x, along, 1e-4)
        assert numpy.sum(gradient * along) == pytest.approx(expected, rel=1e-6, abs=1e-7)
        _, forward = np.jvp(ours["objective"], (ours["START"],), (np.asarray(along),))
        assert float(forward) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_second_derivatives_pass_through_a_program(path: Path) -> None:
    ours = loaded(path, True, "ours")
    x = numpy.asarray(ours["START"])

    def gradient(at: Any) -> Any:
        return numpy.asarray(np.grad(ours["objective"])(at))

    for along in directions(x):
        found = numpy.asarray(np.hvp(ours["objective"])(np.asarray(x), np.asarray(along)))
        expected = slope(gradient, x, along, 1e-4)
        numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
