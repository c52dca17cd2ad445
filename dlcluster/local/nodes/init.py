"""The init process of emulated nodes: it starts the node's processes and takes every one of them down with the node.

Runs as a script (`python -I -S init.py`, standard library only, its socket as stdin). The script is a zygote: for each
node it forks one init, so 64 nodes cost milliseconds and share their memory. The daemon talks to each over a socket:

    request   4 bytes length, JSON; file descriptors travel with the first byte
      zygote  {} + [socket of the new node]
      init    {"id": 1, "argv": [...], "env": {...}, "cwd": "/", "tty": false} + [stdin, stdout, stderr]
              {"kill": 1, "signal": 15}               to the process group of spawn 1, if it still runs
    reply     one JSON line
      init    {"init": pid}   {"id": 1, "pid": 42}   {"id": 1, "error": errno}   {"id": 1, "status": wait status}

End of file on the socket (the daemon is gone, even by kill -9) or SIGTERM ends a node: a child subreaper inherits
daemons that left their parent, so it kills children until none is left, whatever they did to their session or
environment. If an init itself is killed, its children fall to the zygote, which kills what is not an init.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HEADER = struct.Struct("!I")


def prctl(option: int, value: int) -> None:
    """Linux process control; elsewhere nothing, and only direct children can be tracked."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def children() -> list[int]:
    """Process ids of this process's children, adopted ones included."""
    me = os.getpid()
    with contextlib.suppress(OSError), open(f"/proc/self/task/{me}/children") as file:
        return [int(pid) for pid in file.read().split()]
    found = []
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == me:
                found.append(int(name))
    return found


def send_signal(pid: int, number: int, *, group: bool = False) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def reap() -> list[tuple[int, int]]:
    """(pid, wait status) of every child that has ended."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (result := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(result)
    return ended


def kill_children(known: set[int]) -> None:
    """Kill and reap until there is no child left. known: process groups, all there is to go by without /proc."""
    for pid in known:
        send_signal(pid, signal.SIGKILL, group=True)
    while True:
        for pid in children():
            send_signal(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def receive(link: socket.socket) -> tuple[Message, list[int]] | None:
    """The next request and its file descriptors; None at the end of the connection."""
    try:
        data, descriptors, _, _ = socket.recv_fds(link, HEADER.size, 3)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
            wanted = HEADER.size if len(data) < HEADER.size else HEADER.size + HEADER.unpack_from(data)[0]
            if not (more := link.recv(wanted - len(data))):
                return None
            data += more
    except ConnectionError:
        return None
    return json.loads(data[HEADER.size :]), descriptors


def serve(
    link: socket.socket,
    handle: Callable[[Message, list[int]], None],
    ended: Callable[[int, int], None],
) -> None:
    """Handle requests and ended children until the connection ends or SIGTERM arrives."""
    waker, wakened = os.pipe()
    os.set_blocking(waker, False)
    os.set_blocking(wakened, False)
    signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while True:
        ready = set(select.select([link.fileno(), waker], [], [])[0])
        numbers = os.read(waker, 4096) if waker in ready else b""
        for pid, status in reap():
            ended(pid, status)
        if signal.SIGTERM in numbers:
            return
        if link.fileno() in ready:
            request = receive(link)
            if request is None:
                return
            handle(*request)


def spawn(request: Message, descriptors: list[int]) -> int:
    """Start a process in a session of its own with the three descriptors as its stdio; returns its pid.

    Raises OSError when the program cannot be run or its directory is missing.
    """
    failure, fail = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            become(request, descriptors)
        except OSError as error:
            os.write(fail, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(fail)
    try:
        reason = os.read(failure, 16)
    finally:
        os.close(failure)
    if reason:
        os.waitpid(pid, 0)
        raise OSError(int(reason), os.strerror(int(reason)))
    return pid


def become(request: Message, descriptors: list[int]) -> None:
    """In the forked child: take the request's session, terminal, directory and program."""
    os.setsid()
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    if request["tty"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.set_wakeup_fd(-1)
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o022)
    os.chdir(request["cwd"])
    os.execvpe(request["argv"][0], request["argv"], request["env"])


def run_node(link: socket.socket, zygote: int) -> None:
    """The life of one node's init."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    running: dict[int, int] = {}  # pid -> id of the request

    def reply(message: Message) -> None:
        with contextlib.suppress(OSError):
            link.sendall(json.dumps(message).encode() + b"\n")

    def handle(request: Message, descriptors: list[int]) -> None:
        if "kill" in request:
            for pid, identity in running.items():
                if identity == request["kill"]:
                    send_signal(pid, request["signal"], group=True)
            return
        try:
            pid = spawn(request, descriptors)
        except OSError as error:
            reply({"id": request["id"], "error": error.errno or errno.EIO})
        else:
            running[pid] = request["id"]
            reply({"id": request["id"], "pid": pid})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def ended(pid: int, status: int) -> None:
        if pid in running:
            reply({"id": running.pop(pid), "status": status})

    reply({"init": os.getpid()})
    if os.getppid() == zygote:  # else it died before the death signal was set
        serve(link, handle, ended)
    kill_children(set(running))


def run_zygote(link: socket.socket) -> None:
    """Fork an init per request; kill what a dead init leaves behind."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    me = os.getpid()
    inits: set[int] = set()

    def handle(_: Message, descriptors: list[int]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until the child can handle it
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            os.closerange(3, descriptors[0])
            run_node(socket.socket(fileno=descriptors[0]), me)
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(descriptors[0])
        inits.add(pid)

    def ended(pid: int, _: int) -> None:
        inits.discard(pid)
        for child in set(children()) - inits:
            send_signal(child, signal.SIGKILL)

    serve(link, handle, ended)
    for pid in inits:
        send_signal(pid, signal.SIGTERM)
        send_signal(pid, signal.SIGCONT)  # somebody may have stopped it
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return
        ended(pid, status)


def main() -> None:
    link = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    run_zygote(link)


if __name__ == "__main__":
    main()
