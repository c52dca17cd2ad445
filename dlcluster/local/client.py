"""Find, start and stop the embedded cloud's daemon."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dlcluster.errors import Exit, UserError
from dlcluster.local import saved
from dlcluster.local.home import PING, SAVE, STATUS, Crash, Daemon, Home, home_dir

__all__ = ["Crash", "Daemon", "ensure", "find", "home_dir", "kept", "last_crash", "status", "stop"]

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SAMPLE_ADDRESS = "127.1.0.4"
BUSY = 75  # exit code of a start while another daemon holds the home


def find(home: Path | None = None) -> Daemon | None:
    """The running daemon that answers, or None. Never starts one."""
    place = Home(home or home_dir())
    daemon = place.read()
    if daemon is None or not place.is_held():
        return None
    try:
        daemon.ask(PING)
    except OSError:
        return None
    return daemon


def ensure(home: Path | None = None) -> Daemon:
    """The running daemon, started in the background when there is none.

    Raises UserError: the local extra is not installed, or the daemon cannot start (with the end of its log).
    """
    place = Home(home or home_dir())
    said = ""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if daemon := find(place.path):
            return daemon
        check_installed()
        check_addresses()
        code, said = _start(place)
        if code == BUSY:
            time.sleep(0.05)
        elif code != 0:
            break
    raise _not_started(place, said or place.log_tail())


def _not_started(place: Home, said: str) -> UserError:
    reason = said.rpartition("\n")[2]
    if reason.startswith("error: "):  # it knows itself why
        return UserError(reason.removeprefix("error: "), code=Exit.UNAVAILABLE)
    return UserError(
        "the embedded cloud's daemon did not start:\n" + said,
        where=str(place.log),
        hint="read the log; `dlcluster local stop` ends a daemon that hangs",
        code=Exit.UNAVAILABLE,
    )


def kept(home: Path | None = None) -> saved.Header | None:
    """What a daemon that does not run any more has left to be taken up again, or None."""
    place = Home(home or home_dir())
    try:
        return None if place.is_held() else saved.read_header(place.snapshot)
    except saved.Unfit as error:
        if error.empty:
            return None
        raise UserError(str(error), hint="forget it: dlcluster local stop --discard", code=Exit.UNAVAILABLE) from None


def stop(home: Path | None = None, *, discard: bool = False) -> bool:
    """End the daemon; True when one ran. What it holds is kept for the next one, or forgotten (discard).

    Returns when it is gone. Raises UserError when what it holds cannot be kept (it then goes on), or when it does
    not end.
    """
    place = Home(home or home_dir())
    daemon = find(place.path)
    if daemon and not discard and (problem := daemon.ask(SAVE).get("problem")):
        raise UserError(
            f"what the embedded cloud holds cannot be kept: {problem}; nothing was stopped",
            where=str(place.log),
            hint="forget it: dlcluster local stop --discard",
            code=Exit.UNAVAILABLE,
        )
    ran = _end(place)
    if discard:
        place.forget()
    return ran


def _end(place: Home) -> bool:
    daemon = place.read()
    if daemon is None or not place.is_held():
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(daemon.pid, number)
        except ProcessLookupError:
            pass
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not place.is_held():
                return True
            time.sleep(0.02)
    raise UserError(
        "the embedded cloud's daemon does not end",
        where=f"process {daemon.pid}",
        hint=f"kill -9 {daemon.pid}",
        code=Exit.UNAVAILABLE,
    )


def status(home: Path | None = None) -> dict[str, Any]:
    """What is known of the daemon, fit for JSON: running, and then what it holds; crashed, if the last one died."""
    place = Home(home or home_dir())
    daemon = find(place.path)
    result: dict[str, Any] = {"running": daemon is not None, "home": str(place.path)}
    if daemon:
        held = daemon.ask(STATUS)
        held.pop("identity")
        result |= {
            "pid": daemon.pid,
            "endpoint": daemon.endpoint,
            "ssh_port": daemon.ssh_port,
            "started": daemon.started,
            **held,
        }
    else:
        result |= _stopped(place)
    if crash := place.crash():
        result["crashed"] = {"pid": crash.daemon.pid, "started": crash.daemon.started, "last_seen": crash.last_seen}
    return result


def _stopped(place: Home) -> dict[str, Any]:
    try:
        header = None if place.is_held() else saved.read_header(place.snapshot)
    except saved.Unfit as error:
        return {"kept": {"problem": str(error)}}
    if header is None:
        return {}
    return {"kept": {"saved": header.saved, "stacks": header.stacks, "instances": header.instances}}


def last_crash(home: Path | None = None) -> Crash | None:
    """The daemon that died here without a clean end, and when; None when the last one ended well or runs."""
    return Home(home or home_dir()).crash()


def check_installed() -> None:
    """Raise UserError when what the daemon is made of is missing."""
    missing = [name for name in ("moto", "asyncssh") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the embedded cloud needs {' and '.join(missing)}, not installed here",
            hint="pip install 'dlcluster[local]'",
        )


def check_addresses() -> None:
    """Raise UserError when nodes cannot have addresses of their own: macOS answers on 127.0.0.1 alone."""
    with socket.socket() as probe:
        try:
            probe.bind((SAMPLE_ADDRESS, 0))
        except OSError as error:
            raise UserError(
                f"nodes need loopback addresses such as {SAMPLE_ADDRESS}, which this system does not have: {error}",
                hint=f"one alias per node, as root: ifconfig lo0 alias {SAMPLE_ADDRESS}; or run it on Linux",
                code=Exit.UNAVAILABLE,
            ) from error


def clean_environment() -> dict[str, str]:
    """This process's environment without what belongs to the user's real AWS account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _start(place: Home) -> tuple[int, str]:
    """Start a daemon and wait until it listens: (exit code, what it said before it went to the background)."""
    place.create()
    env = {**clean_environment(), "DLCLUSTER_LOCAL_HOME": str(place.path)}
    command = [sys.executable, "-P", "-m", "dlcluster.local", "--detach"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", env=env)
    return done.returncode, done.stderr.strip()
