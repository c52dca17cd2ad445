"""Build an image for real, as a root file system on this machine: debootstrap, then every component in a chroot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlcluster.errors import Exit, UserError
from dlcluster.image.resolved import FOLDER, Image, Step

TARGET = "rootfs"
_CHROOT = Path(__file__).with_name("chroot.sh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TAIL = 25
Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where and how to build.

    root: the folder of the root file system; its log is `<root>.log`. mirror: instead of the platform's own. binds:
    HOST:TARGET, read-only while building. env: variables of all scripts, besides their own.
    """

    root: Path
    mirror: str | None = None
    binds: tuple[str, ...] = ()
    env: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return self.root.with_name(f"{self.root.name}.log")


@dataclass(frozen=True)
class Ran:
    """A script that ran: which, and how many seconds it took."""

    step: str
    script: str
    seconds: float


def check(image: Image, place: Place) -> None:
    """UserError when this machine cannot build the image there. Nothing has been touched then."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise UserError("a root file system can only be built by root on Linux", hint="sudo, or `--to imagebuilder`")
    if image.platform.suite is None:
        others = [name for name in image.recipe.platforms if not name.startswith("al")]
        hint = f"--platform {others[0]}" if others else "`image spec --to docker` has the same components"
        raise UserError(f"{image.platform.title} cannot be made by debootstrap", where=image.name, hint=hint)
    if shutil.which("debootstrap") is None:
        raise UserError("debootstrap is not installed", hint="apt-get install debootstrap")
    if place.root.exists() and (not place.root.is_dir() or any(place.root.iterdir())):
        raise UserError("there is something already", where=str(place.root), hint="remove it, or give another --output")
    for bind in place.binds:
        host, _, target = bind.partition(":")
        if not Path(host).exists() or not target.startswith("/"):
            raise UserError(f"not HOST:TARGET: {bind}", where="--bind", hint="HOST exists, TARGET begins with /")
    for pair in place.env:
        if not re.fullmatch(r"[A-Za-z_]\w*=.*", pair, re.ASCII | re.DOTALL):
            raise UserError(f"not KEY=VALUE: {pair}", where="--env")


def build(image: Image, place: Place, say: Say) -> list[Ran]:
    """Make the root file system, install every component, run every test. UserError FAILED names what failed.

    What was made so far stays then, to be looked at; nothing stays mounted and nothing keeps running.
    """
    check(image, place)
    place.root.parent.mkdir(parents=True, exist_ok=True)
    place.log.write_bytes(b"")
    ran = [_timed("debootstrap", image.platform.title, say, lambda: _bootstrap(image, place))]
    _configure(image, place)
    for step in image.steps:
        _put(step, place)
    try:
        for step in image.installs:
            ran.append(_script(image, step, "install.sh", place, say))
        for step, script in image.tests:
            ran.append(_script(image, step, script, place, say))
    finally:
        (place.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    return ran


def _bootstrap(image: Image, place: Place) -> None:
    platform = image.platform
    mirror = place.mirror or platform.mirror
    architecture = {"x86_64": "amd64", "arm64": "arm64"}[image.recipe.architecture]
    components = ",".join(platform.components.split())
    options = ["--variant=minbase", f"--arch={architecture}", f"--components={components}", "--include=ca-certificates"]
    _run(["debootstrap", *options, str(platform.suite), str(place.root), str(mirror)], place, "debootstrap")


def _configure(image: Image, place: Place) -> None:
    """Package sources with updates and security fixes; and no service is started while building."""
    platform, root = image.platform, place.root
    mirror = place.mirror or platform.mirror
    suites = [
        (mirror, platform.suite),
        (mirror, f"{platform.suite}-updates"),
        (platform.security, f"{platform.suite}-security"),
    ]
    lines = [f"deb {address} {suite} {platform.components}\n" for address, suite in suites]
    (root / "etc/apt/sources.list").write_text("".join(lines))
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def _put(step: Step, place: Place) -> None:
    folder = place.root / step.folder.lstrip("/")
    folder.mkdir(parents=True)
    for name, content in step.files.items():
        (folder / name).write_bytes(content)


def _script(image: Image, step: Step, script: str, place: Place, say: Say) -> Ran:
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", **image.environment(step, TARGET)}
    pairs = [*(f"{name}={value}" for name, value in environment.items()), *place.env]
    command = ["env", "-i", f"--chdir={step.folder}", *pairs, "bash", script]
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", str(_CHROOT), str(place.root)]
    what = f"{step.name}/{script}"
    return _timed(step.name, script, say, lambda: _run([*inside, *place.binds, "--", *command], place, what))


def _timed(step: str, script: str, say: Say, work: Callable[[], None]) -> Ran:
    say(f"{step} {script}")
    started = time.monotonic()
    work()
    return Ran(step, script, round(time.monotonic() - started, 1))


def _run(command: list[str], place: Place, what: str) -> None:
    """Run a command, its output into the log. Should we be interrupted, unshare's --kill-child ends all below it."""
    with place.log.open("ab") as log:
        log.write(f"=== {what}\n".encode())
        log.flush()
        begin = log.tell()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code:
        with place.log.open("rb") as log:
            log.seek(begin)
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL:]
        raise UserError(
            f"{what} failed (exit code {code}):\n" + "\n".join(f"    {line}" for line in lines),
            where=str(place.root),
            hint=f"the whole output is in {place.log}; the scripts are in {place.root}{FOLDER}",
            code=Exit.FAILED,
        )
