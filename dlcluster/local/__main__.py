"""`python -m dlcluster.local`: the embedded cloud in the foreground, for any project's tests and for a look at it."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dlcluster.errors import UserError
from dlcluster.local.client import BUSY, check_addresses, check_installed, home_dir
from dlcluster.local.home import Daemon, Home

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = 60.0
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Run in the foreground; with --detach (as the client starts it) return when a daemon listens."""
    arguments = _parser().parse_args()
    try:
        check_installed()
        if not arguments.no_nodes:
            check_addresses()
        idle = float(os.environ.get("DLCLUSTER_LOCAL_IDLE_SECONDS", IDLE_SECONDS if arguments.detach else 0))
        home = Home(home_dir())
        home.create()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except ValueError:
        print("error: DLCLUSTER_LOCAL_IDLE_SECONDS is not a number of seconds", file=sys.stderr)
        return 2
    if arguments.detach:
        return _detach(lambda ready: _serve(home, arguments, idle, ready), home.log)
    return _serve(home, arguments, idle, lambda daemon: _show(daemon, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dlcluster.local", description="An emulated AWS with real SSH nodes."
    )
    parser.add_argument("--port", type=_port, default=0, help="port of the AWS endpoint (default: any free one)")
    parser.add_argument("--no-nodes", action="store_true", help="instances run at once, without a node behind them")
    parser.add_argument("--region", default="us-east-1", help="region in the printed settings (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="start empty: forget what this home holds")
    parser.add_argument("--detach", action="store_true", help="go to the background when it listens")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535, 0 being any free one")
    return int(text)


def _serve(home: Home, arguments: argparse.Namespace, idle: float, ready: Callable[[Daemon], None]) -> int:
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    logging.getLogger("dlcluster").setLevel(logging.INFO if arguments.detach else logging.WARNING)
    try:
        with home.held():
            from dlcluster.local.daemon import Options, run

            if arguments.fresh:
                home.forget()
            run(home, Options(arguments.port, not arguments.no_nodes, idle), ready)
    except BlockingIOError:
        print(f"error: another daemon runs in {home.path}", file=sys.stderr)
        return BUSY
    except OSError as error:
        reason = f"port {arguments.port} is in use" if error.errno == errno.EADDRINUSE else str(error)
        print(f"error: the embedded cloud cannot start: {reason}", file=sys.stderr)
        return 1
    return 0


def _detach(serve: Callable[[Callable[[Daemon], None]], int], log: Path) -> int:
    """Serve in a process of its own session; the caller's exit code is 0 as soon as that one listens."""
    listening, announce = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(listening)
        os.setsid()
        _redirect(log)
        code = 1
        try:
            code = serve(lambda _: os.close(announce) if os.write(announce, b"+") else None)
        except Exception:
            logging.exception("the daemon failed")
        finally:
            logging.shutdown()
            os._exit(code)
    os.close(announce)
    if os.read(listening, 1):
        return 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _redirect(log: Path) -> None:
    """Standard input from nowhere, output to the end of the log; the terminal that started it may go."""
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def _show(daemon: Daemon, arguments: argparse.Namespace) -> None:
    nodes = "" if arguments.no_nodes else f"; its nodes answer SSH on port {daemon.ssh_port}."
    print(
        f"The embedded cloud listens at {daemon.endpoint}{nodes}\n"
        "Ctrl-C ends it; the next start in this home goes on with what it held.\n\n"
        f"export AWS_ENDPOINT_URL={daemon.endpoint}\n"
        f"export AWS_DEFAULT_REGION={arguments.region}\n"
        "export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
