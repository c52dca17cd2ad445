"""What is shipped to the nodes: the user's directory, the engine and the node code in one archive named by its content.

Layout: `code/` (the user's), `engine/dlengine/`, `node/*.py`. The same files give the same archive: sorted, no times,
no owners; modes are kept.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlcluster.errors import Exit, UserError
from dlcluster.jobs.ignore import Rules, rules_above

ALWAYS_SKIPPED = {".git", ".venv", "__pycache__", "dlcluster-outputs"}
CODE = "code/"
LIMIT = 500 << 20  # bytes, compressed
LEVEL = 3  # gzip: half the time of the default for code, 3 % more bytes


@dataclass(frozen=True)
class Bundle:
    """An archive. path: None when it was not packed, being known; size in bytes; files: how many of the user's."""

    path: Path | None
    sha256: str
    size: int
    files: int

    @property
    def key(self) -> str:
        """Its place in the cluster's bucket."""
        return f"bundles/{self.sha256}.tar.gz"


def locate(script: str, current: Path) -> tuple[Path, str]:
    """(root of the bundle, script relative to it): the current directory if the script is below it, else its own.

    UserError NOT_FOUND when there is no such file.
    """
    path = Path(os.path.abspath(current / script))
    if not path.is_file():
        what = "a directory, not a script" if path.is_dir() else "no such file"
        raise UserError(what, where=script, hint="give the path of a Python script or a program", code=Exit.NOT_FOUND)
    if path.suffix != ".py" and not os.access(path, os.X_OK):
        raise UserError("neither a Python script nor a program", where=script, hint=f"chmod +x {script}")
    base = Path(os.path.abspath(current))
    root = base if path.is_relative_to(base) else path.parent
    return root, path.relative_to(root).as_posix()


def contents(root: Path, script: str = "") -> list[tuple[str, Path]]:
    """(place in the archive, path) of all that goes into the bundle of `root`, in order.

    UserError when the ignore rules leave `script` out.
    """
    entries = list(code_files(root))
    if script and script not in {name for name, _ in entries}:
        raise UserError("the script is left out by .gitignore or .dlclusterignore", where=script)
    return [(CODE + name, path) for name, path in entries] + sorted(_ours())


def build(root: Path, directory: Path, *, script: str = "", limit: int = LIMIT) -> Bundle:
    """Write the bundle of `root` into `directory`: `pack` of its `contents`."""
    return pack(root, directory, contents(root, script), limit=limit)


def pack(root: Path, directory: Path, chosen: list[tuple[str, Path]], *, limit: int = LIMIT) -> Bundle:
    """Write the archive of `contents(root)` into `directory`.

    UserError: larger than `limit` bytes, or a symbolic link that points out of the root.
    """
    entries = [(name.removeprefix(CODE), path) for name, path in chosen if name.startswith(CODE)]
    handle, temporary = tempfile.mkstemp(dir=directory, suffix=".tar.gz")
    with os.fdopen(handle, "w+b") as file:
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, path in chosen:
                try:
                    _add(tar, name, path, root)
                except OSError as error:
                    raise UserError(f"cannot read it: {error.strerror or error}", where=str(path)) from error
                if file.tell() > limit:
                    raise _too_large(entries, root, limit)
        size = file.tell()
        if size > limit:
            raise _too_large(entries, root, limit)
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Bundle(Path(temporary), sha256, size, len(entries))


def code_files(root: Path) -> Iterator[tuple[str, Path]]:
    """(path relative to the root, path) of every file and link that belongs to the bundle, sorted."""
    root = Path(os.path.abspath(root))
    top, rules = rules_above(root)
    prefix = root.relative_to(top).as_posix()
    yield from _walk(root, "", "" if prefix == "." else prefix + "/", rules)


def _walk(directory: Path, relative: str, prefix: str, rules: Rules) -> Iterator[tuple[str, Path]]:
    rules = rules.entering(directory, prefix + relative)
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        is_directory = entry.is_dir(follow_symlinks=False)
        name = relative + entry.name
        if entry.name in ALWAYS_SKIPPED or rules.ignored(prefix + name, is_directory):
            continue
        if is_directory:
            yield from _walk(Path(entry.path), name + "/", prefix, rules)
        elif entry.is_symlink() or entry.is_file():  # sockets and pipes carry no content
            yield name, Path(entry.path)


def _ours() -> Iterator[tuple[str, Path]]:
    import dlcluster.node

    for path in Path(dlcluster.node.__path__[0]).glob("*.py"):
        yield "node/" + path.name, path
    engine = importlib.util.find_spec("dlengine")  # located, never imported: that would cost a second
    for folder in (engine.submodule_search_locations or []) if engine else []:
        for path in Path(folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield "engine/dlengine/" + path.relative_to(folder).as_posix(), path


def _add(tar: tarfile.TarFile, name: str, path: Path, root: Path) -> None:
    entry = tarfile.TarInfo(name)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        entry.type = tarfile.SYMTYPE
        entry.linkname = _link_inside(path, root)
        tar.addfile(entry)
        return
    entry.mode = stat.S_IMODE(found.st_mode)
    with path.open("rb") as file:
        entry.size = os.fstat(file.fileno()).st_size
        tar.addfile(entry, file)


def _link_inside(path: Path, root: Path) -> str:
    """A link's target, relative to it. A link out of the root would point at nothing, or something else, on a node."""
    real_root, target = os.path.realpath(root), os.readlink(path)
    real_target = os.path.realpath(path)
    if os.path.commonpath([real_root, real_target]) != real_root:
        raise UserError(
            f"the symbolic link points out of {root}: {target}",
            where=str(path),
            hint="replace it by what it points at, or list it in .dlclusterignore",
        )
    return os.path.relpath(real_target, os.path.realpath(path.parent)) if os.path.isabs(target) else target


def _too_large(entries: list[tuple[str, Path]], root: Path, limit: int) -> UserError:
    sizes = sorted(((path.lstat().st_size, name) for name, path in entries), reverse=True)
    biggest = ", ".join(f"{name} ({size / 1e6:.1f} MB)" for size, name in sizes[:5])
    return UserError(
        f"the code is larger than {limit / (1 << 20):.0f} MiB compressed; its biggest files: {biggest}",
        where=str(root),
        hint="leave data out with a .dlclusterignore file (same rules as .gitignore), and read it from the bucket",
    )
