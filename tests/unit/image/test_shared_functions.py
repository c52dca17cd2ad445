"""What images/shared fetches is checked: run in bash, with a curl and a micromamba of the test's own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[3] / "images/shared/python.sh"
COMMON = Path(__file__).parents[3] / "images/shared/common.sh"
CURL = """#!/bin/bash
# usage: curl OPTIONS --output PATH URL
while [[ $1 != --output ]]; do shift; done
echo "$3" >>"$SERVED/log"
cp "$SERVED/$(basename "$3")" "$2"
"""


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder, self.served = folder, folder / "served"
        self.served.mkdir()
        (folder / "bin").mkdir()
        (folder / "bin/curl").write_text(CURL)
        (folder / "bin/curl").chmod(0o755)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "SERVED": str(self.served)}
        script = f"set -euo pipefail; . {COMMON}; {command}"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run(["bash", "-c", script], cwd=self.folder, env=environment, text=True, **pipes)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_file_with_the_right_digest_is_fetched_once(shell):
    (shell.served / "tool").write_text("good")
    digest = hashlib.sha256(b"good").hexdigest()
    for _ in range(2):
        assert shell.run(f"download https://example.org/tool {digest} here").returncode == 0
    assert (shell.folder / "here").read_text() == "good"
    assert (shell.served / "log").read_text().splitlines() == ["https://example.org/tool"]


def test_a_file_with_another_digest_is_refused_and_removed(shell):
    (shell.served / "tool").write_text("evil")
    digest = hashlib.sha256(b"good").hexdigest()
    answer = shell.run(f"download https://example.org/tool {digest} here; echo went on")
    assert answer.returncode != 0
    assert "went on" not in answer.stdout
    assert digest in answer.stderr
    assert hashlib.sha256(b"evil").hexdigest() in answer.stderr
    assert not list(shell.folder.glob("here*"))


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """Two keys, exported as good.asc and evil.asc; each has signed `tool`. Fingerprints by name."""
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg")
    served, found = tmp_path / "served", {}
    for name in ("good", "evil"):
        home = tmp_path / name[0]
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*gpg, "--quick-generate-key", f"{name}@example.org", "ed25519"], check=True)
        subprocess.run([*gpg, "--armor", "--output", str(served / f"{name}.asc"), "--export"], check=True)
        listed = subprocess.run([*gpg, "--with-colons", "--list-keys"], stdout=subprocess.PIPE, text=True, check=True)
        found[name] = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr"))
        (served / "tool").write_text("signed")
        sign = [*gpg, "--output", str(served / f"tool.{name}"), "--detach-sign", str(served / "tool")]
        subprocess.run(sign, check=True)
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return found


def test_a_key_is_taken_only_with_its_fingerprint(shell, keys):
    good = shell.run(f"download_key https://example.org/good.asc {keys['good']} key.asc")
    assert good.returncode == 0, good.stderr
    evil = shell.run(f"download_key https://example.org/evil.asc {keys['good']} other.asc")
    assert evil.returncode != 0
    assert keys["evil"] in evil.stderr
    assert not (shell.folder / "other.asc").exists()


@pytest.mark.parametrize(
    ("signature", "file", "taken"), [("good", "tool", 1), ("evil", "tool", 0), ("good", "evil.asc", 0)]
)
def test_a_signed_file_is_taken_only_with_a_signature_of_the_key(shell, keys, signature, file, taken):
    assert shell.run(f"download_key https://example.org/good.asc {keys['good']} key.asc").returncode == 0
    urls = f"https://example.org/{file} https://example.org/tool.{signature}"
    answer = shell.run(f"download_signed {urls} key.asc here")
    assert (answer.returncode == 0) == bool(taken), answer.stderr
    assert (shell.folder / "here").exists() == bool(taken)


MICROMAMBA = f"""#!/bin/bash
echo "$*" >>"$SERVED/log"
while [[ $1 != --prefix ]]; do shift; done
mkdir -p "$2/bin"
ln -s {sys.executable} "$2/bin/python"
"""


def test_a_python_that_the_system_lacks_is_made_once_of_conda_forge(shell):
    prefix = shell.folder / "dl"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/micromamba").write_text(MICROMAMBA)
    (prefix / "bin/micromamba").chmod(0o755)
    (shell.folder / "bin/python2.7").write_text("#!/bin/sh\nexit 1\n")  # one that cannot make environments is none
    (shell.folder / "bin/python2.7").chmod(0o755)
    for _ in range(2):
        answer = shell.run(f". {PYTHON}; PARAM_PREFIX={prefix} python_of 2.7")
        assert answer.stdout == f"{prefix}/python/2.7/bin/python\n"
    (asked,) = (shell.served / "log").read_text().splitlines()
    assert asked.endswith("--override-channels --channel conda-forge python=2.7.15 pip")


def test_without_micromamba_a_missing_python_is_an_error_that_says_so(shell):
    answer = shell.run(f". {PYTHON}; PARAM_PREFIX={shell.folder} python_of 3.1")
    assert answer.returncode != 0
    assert "there is no Python 3.1 here, and no" in answer.stderr
