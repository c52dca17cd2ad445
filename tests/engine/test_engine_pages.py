"""What the engine's pages show is what it does: their programs run, and the table of fit is its signature."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import dlengine
import dlengine.numpy as np
import numpy
import pytest
import scipy.special
import torch
from dlengine import symbol
from torch import nn

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def run(page: str, number: int, **names: object) -> dict[str, object]:
    exec(compile(blocks(page)[number], f"{page}, block {number}", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


def test_the_table_of_fit_names_every_argument_with_its_default():
    page = (DOCS / "engine.md").read_text().split("## fit")[1].split("It returns")[0]
    parameters = dict(inspect.signature(dlengine.fit).parameters)
    shown = {}
    for names, default, what in re.findall(r"^\| (`.*?) \|(.*?)\| (.*) \|$", page, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            shown[name] = default.strip()
        for name, value in re.findall(r"`(\w+)=([^`]+)`", what):
            if name in parameters and name not in shown:
                shown[name] = f"`{value}`"
    assert shown.keys() == parameters.keys()
    for name, default in shown.items():
        given = parameters[name].default
        literal = re.match(r"`(.*)`$", default)
        if name == "callbacks" or not default.strip():
            assert given in ((), inspect.Parameter.empty), name
        else:
            assert given == (ast.literal_eval(literal[1]) if literal else None), name


def test_the_program_of_the_engine_page_trains_as_well_as_it_says():
    assert run("engine.md", 0)["result"].test_accuracy > 0.95


def test_the_programs_of_the_data_page_run():
    image = pytest.importorskip("PIL.Image")
    for kind in ("cat", "dog"):
        folder = Path("photos/train") / kind
        folder.mkdir(parents=True)
        for number in range(3):
            image.new("RGB", (70, 80), (40 * number, 10, 90)).save(folder / f"{number}.png")
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2))
    train = run("data.md", 0, model=model)["train"]
    assert len(train) == 6
    loop = blocks("data.md")[1].replace('device="cuda"', 'device="cpu"').replace(", ...}", "}")
    names = {"dlengine": dlengine, "train": train, "torch": torch}
    exec(compile(loop, "data.md, block 1", "exec"), names)
    assert torch.load("state.pt")["data"]["epoch"] == 9


def test_the_programs_of_the_page_on_graphs_run(capsys):
    names = run("symbol.md", 0)
    assert names["result"].test_accuracy > 0.9
    other = symbol.Variable("other", shape=(1, 1, 28, 28))
    said = run("symbol.md", 1, lenet=names["lenet"], other=other)
    assert said["net"].list_outputs() == ["softmax_output"]
    assert Path("lenet.svg").exists()
    assert symbol.load("lenet.json").list_arguments() == said["net"].list_arguments()
    page = (DOCS / "symbol.md").read_text()
    for line in capsys.readouterr().out.splitlines():
        if line.startswith(("layer ", "data ", "conv1 ", "431,080")):
            assert f"    {line.rstrip()}" in page
    assert "layer 'add0' (add) got (2, 3) and (2, 4): " in page
    with pytest.raises(dlengine.EngineError, match=re.escape("layer 'add0' (add) got (2, 3) and (2, 4): ")):
        (symbol.Variable("a") + symbol.Variable("b")).bind(a=(2, 3), b=(2, 4))
    watched = run("symbol.md", 2, symbol=symbol, torch=torch, hidden=symbol.Variable("hidden"))
    assert isinstance(watched["net"], symbol.Symbol)


def test_the_program_of_the_page_on_models_runs():
    text = torch.randint(65, (8, 65))
    code = blocks("models.md")[0].replace("lr=1e-3)", "lr=1e-3, epochs=1)")
    names: dict[str, object] = {"dlengine": dlengine, "x": text[:, :-1], "y": text[:, 1:]}
    exec(compile(code, "models.md", "exec"), names)
    assert names["text"].shape == (1, 264)


def test_the_programs_of_the_pages_on_numpy_run():
    first = blocks("numpy.md")[0].replace('"cuda"', '"cpu"')
    exec(compile(first, "numpy.md", "exec"), {})
    random = numpy.random.default_rng(0)
    params = {"w1": random.normal(size=(3, 4)), "b1": numpy.zeros(4), "w2": random.normal(size=4)}
    x, y = random.normal(size=(5, 3)), random.normal(size=5)
    names = run("numpy-gradients.md", 0, params=params, x=x, y=y)
    assert names["loss"](params, x, y) < names["value"]
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    run("numpy-gradients.md", 1, np=np, critic=critic, x=np.asarray(x))
    assert all(p.grad is not None for name, p in critic.named_parameters() if name.endswith("weight"))
    run("numpy-gradients.md", 2, np=np, numpy=numpy, scipy=scipy)


def test_a_csv_file_of_the_data_page_has_a_header_only_if_its_inputs_are_named_and_trains_a_regression():
    Path("named.csv").write_text("1,2,dog\n3,4,cat\n")
    assert dlengine.data.from_csv("named.csv").classes == ["cat", "dog"]
    Path("prices.csv").write_text("1,2,1.5\n3,4,2\n")
    data = dlengine.data.from_csv("prices.csv")
    assert data.y.shape == (2,)
    data.y = data.y[:, None]
    dlengine.fit(nn.Linear(2, 1), data, loss="mse", epochs=1, progress=False)
