"""The components that ship: their scripts are sound, versions are pinned, and nothing unchecked is downloaded."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from dlcluster.image.library import Library
from dlcluster.image.load import load_component, load_image

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "images"
LIBRARY = Library((IMAGES,))
COMPONENTS = {name: load_component(folder) for name, folder in LIBRARY.components().items()}
FRAMEWORKS = [name for name, component in COMPONENTS.items() if component.framework]
LOCKS = sorted(IMAGES.glob("*/**/*.lock"))
SCRIPTS = sorted(IMAGES.glob("components/*/*.sh"))
FETCHES = re.compile(r"\b(curl|wget|git clone|pip3? install|add-apt-repository|apt-key|npm)\b")
PINNED = re.compile(r"^([\w.-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)$")


def code(path: Path) -> str:
    """A script without its comments and the words that only name packages to install."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return "\n".join(line for line in joined.splitlines() if not re.match(r" *(install_packages|dnf install) ", line))


def identity(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def packages(lock: Path) -> dict[str, str]:
    """Version of each package, as the lock file has it."""
    found = {}
    for line in lock.read_text().splitlines()[1:]:
        match = PINNED.match(line)
        assert match, f"{lock}: not a version with digests: {line}"
        found[match[1].lower().replace("_", "-")] = match[2]
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=identity)
def test_a_script_stops_at_its_first_error(script):
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1].startswith("# ")
    assert script.name == "job.sh" or "set -euo pipefail" in lines


@pytest.mark.parametrize("script", [*SCRIPTS, *sorted(IMAGES.glob("shared/*.sh"))], ids=identity)
def test_no_program_is_cut_off_in_the_middle_of_its_output(script):
    """With pipefail, a reader that stops early ends the writer by SIGPIPE and so, now and then, the script."""
    assert not re.search(r"\| *(head\b|grep +-\w*q)|\| *awk [^|\n]*\bexit\b", code(script))


@pytest.mark.parametrize("script", sorted(IMAGES.glob("components/*/install.sh")), ids=identity)
def test_nothing_is_fetched_but_by_the_functions_that_check_it(script):
    text = code(script)
    assert not FETCHES.search(text), FETCHES.search(text)
    assert "http://" not in text
    if re.search(r"\bdownload ", text):
        assert re.search(r"^ *\w*SHA256\w*=[0-9a-f]{64}$", text, re.MULTILINE)
    if "download_signed" in text:
        assert re.search(r"^ *FINGERPRINT=[0-9A-F]{40}$", text, re.MULTILINE)
        assert "download_key" in text


def test_the_shared_functions_check_what_they_fetch():
    for path in sorted((IMAGES / "shared").glob("*.sh")):
        for function in re.findall(r"^\w+\(\) \{\n.*?^\}$", code(path), re.MULTILINE | re.DOTALL):
            if "curl" in FETCHES.findall(function):
                assert re.search(r"sha256sum --check|== ?\"?\$fingerprint|!= \"\$fingerprint|gpg .*--verify", function)
                assert function.count("--proto '=https'") == len(re.findall(r"\bcurl --", function))
            if "pip install" in function:
                assert "--require-hashes" in function
                assert "--no-deps" in function
    keys = re.findall(r"^\w+_KEY=(.*)$", (IMAGES / "shared/nvidia.sh").read_text(), re.MULTILINE)
    assert len(keys) == 3
    assert all(re.fullmatch("[0-9A-F]{40}", key) for key in keys)


@pytest.mark.parametrize("name", ["cuda", "dcgm", "nccl", "container-toolkit", "efa", "cloudwatch-agent", "micromamba"])
def test_what_is_not_a_python_package_has_its_version_in_the_script_and_in_the_file(name):
    component = COMPONENTS[name]
    script = (IMAGES / "components" / name / "install.sh").read_text()
    pinned = re.findall(r"^VERSION=([0-9.]+)", script, re.MULTILINE)
    if not pinned:
        pinned = [f"{component.parameters['release'].default}.0"]
    assert pinned[0].rstrip(".") == component.version


@pytest.mark.parametrize("lock", LOCKS, ids=identity)
def test_a_lock_file_has_all_that_its_source_asks_for_with_digests(lock):
    locked = packages(lock)
    for line in lock.with_suffix(".in").read_text().splitlines():
        match = re.match(r"([\w.-]+)(?:\[[\w-]+\])?(?:==(\S+))?", line)
        if match:
            assert match[1].lower() in locked
            assert match[2] in (None, locked[match[1].lower()])


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_table_of_frameworks_says_what_is_locked(name):
    framework, folder = COMPONENTS[name].framework, IMAGES / "components" / name
    assert framework is not None
    made = re.findall(r"^make_environment (\S+) (\S+) ", (folder / "install.sh").read_text(), re.MULTILINE)
    assert made == [(Path(framework.environment).name, framework.python)]
    locks = sorted(folder.glob("*.lock"))
    assert [lock.stem for lock in locks] in (["requirements"], ["cpu", "cuda"])
    for lock in locks:
        assert f"Python {framework.python}," in lock.read_text().splitlines()[0]
        locked = packages(lock)
        for package, version in framework.versions.items():
            found = locked.get(package, locked.get(f"{package}-cpu", ""))
            assert found.partition("+")[0] == version


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_frameworks_test_trains_on_the_digits(name):
    folder = IMAGES / "components" / name
    assert "share/digits" in (folder / "test.sh").read_text()
    assert "train.py" in (folder / "test.sh").read_text()
    train = (folder / "train.py").read_text()
    assert "digits.load()" in train
    assert "digits.report(" in train


def test_the_recipe_frameworks_has_every_framework_and_then_jupyter():
    names = [step.name for step in load_image(LIBRARY, "frameworks").installs]
    assert set(FRAMEWORKS) <= set(names)
    assert names[-1] == "jupyter"
    assert set(COMPONENTS["jupyter"].after) == set(FRAMEWORKS)


def test_the_readme_is_up_to_date():
    readme = runpy.run_path(str(ROOT / "scripts/image_tables.py"))["readme"]
    assert (IMAGES / "README.md").read_text() == readme(LIBRARY), "run scripts/image_tables.py"
