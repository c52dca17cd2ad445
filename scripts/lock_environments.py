"""Write the lock files of the environments: every images/**/*.lock from the .in file beside it.

    .venv/bin/python scripts/lock_environments.py [IN_FILE ...]

An .in file begins with `# python X.Y`; `# wheels DIR` names a folder of wheels that PyPI lacks. uv (`pip install uv`)
chooses the versions; for Python 2.7, which it does not know, the .in file lists every package. The lock has one line a
package: its version and the sha256 of every file that pip may choose on x86_64 Linux, or of the source where there is
no wheel.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_sdist_filename, parse_wheel_filename

IMAGES = Path(__file__).parent.parent / "images"
GLIBC = 34
"""Minor version of the oldest glibc 2 of the platforms: Amazon Linux 2023. (Ubuntu 22.04 has 35, Debian 12 has 36.)"""


def main() -> None:
    for source in [Path(name) for name in sys.argv[1:]] or sorted(IMAGES.glob("*/**/*.in")):
        text = source.read_text()
        python = re.findall(r"^# python (\d+\.\d+)$", text, re.MULTILINE)[0]
        extra = [Path(folder) for folder in re.findall(r"^# wheels (.+)$", text, re.MULTILINE)]
        tags = frozenset(_tags(python))
        lines = [_line(name, version, tags, extra) for name, version in _versions(source, python, extra)]
        header = f"# From {source.name} by scripts/lock_environments.py: Python {python}, x86_64 Linux.\n"
        source.with_suffix(".lock").write_text(header + "\n".join(sorted(lines)) + "\n")
        print(f"{source.with_suffix('.lock')}: {len(lines)} packages", file=sys.stderr)


def _versions(source: Path, python: str, extra: list[Path]) -> list[tuple[str, str]]:
    """Name and version of every package of the environment."""
    if python == "2.7":
        text = source.read_text()
    else:
        command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-config", str(source)]
        command += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_34", "--allow-unsafe"]
        for folder in extra:
            command += ["--find-links", str(folder)]
        text = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
    return re.findall(r"^([\w.-]+)==([\w.+!-]+)", text, re.MULTILINE)


def _tags(python: str) -> Iterator[Tag]:
    version = tuple(int(part) for part in python.split("."))
    numbered = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)]
    platforms = [*numbered, *(f"manylinux{year}_x86_64" for year in ("2014", "2010", "1")), "linux_x86_64"]
    abis = [f"cp{python.replace('.', '')}mu"] if version == (2, 7) else None
    yield from cpython_tags(version, abis, platforms)
    yield from compatible_tags(version, f"cp{python.replace('.', '')}", platforms)


def _line(name: str, version: str, tags: frozenset[Tag], extra: list[Path]) -> str:
    wheels, sdists = [], []
    for file, digest in _files(name, extra):
        try:
            if file.endswith(".whl"):
                _, found, _, file_tags = parse_wheel_filename(file)
                if str(found) == version and file_tags & tags:
                    wheels.append(digest)
            elif str(parse_sdist_filename(file)[1]) == version:
                sdists.append(digest)
        except (InvalidWheelFilename, ValueError):
            continue
    digests = wheels or sdists
    if not digests:
        raise SystemExit(f"no file of {name} {version} fits")
    return " ".join([f"{name}=={version}", *(f"--hash=sha256:{digest}" for digest in sorted(digests))])


def _files(name: str, extra: list[Path]) -> list[tuple[str, str]]:
    """Every file of a package with its sha256: from the folders where they have it, else from PyPI."""
    local = [path for folder in extra for path in folder.glob("*.whl") if _is(path, name)]
    if local:
        return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in local]
    request = urllib.request.Request(
        f"https://pypi.org/simple/{canonicalize_name(name)}/",
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
    )
    with urllib.request.urlopen(request) as answer:
        return [(file["filename"], file["hashes"]["sha256"]) for file in json.load(answer)["files"]]


def _is(path: Path, name: str) -> bool:
    return parse_wheel_filename(path.name)[0] == canonicalize_name(name)


if __name__ == "__main__":
    main()
