"""The daemon's directory, and what clients conclude from it."""

from __future__ import annotations

import http.server
import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.local import client
from dlcluster.local.__main__ import _parser
from dlcluster.local.home import PING, Daemon, Home, home_dir

HOLD = """
import sys
from pathlib import Path
from dlcluster.local.home import Home
with Home(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def holder(home):
    """Another process that holds the home."""
    command = [sys.executable, "-c", HOLD, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture
def page():
    """An HTTP server that answers one JSON document; yields (endpoint, document)."""
    document = {"identity": "ours"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", document
        server.shutdown()


def daemon(home, endpoint="http://127.0.0.1:9", pid=None):
    return Daemon(pid or os.getpid(), endpoint, 2222, time.time(), home.path, "ours")


def test_the_home_is_configurable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DLCLUSTER_LOCAL_HOME", raising=False)
    assert home_dir() == tmp_path / "dlcluster/local"
    monkeypatch.setenv("DLCLUSTER_LOCAL_HOME", str(tmp_path / "own"))
    assert home_dir() == tmp_path / "own"


def test_one_process_holds_a_home_and_others_see_it(home, holder):
    assert home.is_held()
    with pytest.raises(BlockingIOError), home.held():
        pass
    holder.kill()
    holder.wait()
    assert not home.is_held()


def test_a_record_is_read_back_and_private(home):
    announced = daemon(home)
    home.announce(announced)
    assert home.read() == announced
    assert stat.S_IMODE((home.path / "daemon.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"home": "/x", "unknown": 1}'])
def test_a_damaged_record_is_no_daemon(home, text):
    (home.path / "daemon.json").write_text(text)
    assert home.read() is None
    assert client.find(home.path) is None


def test_a_daemon_that_lives_and_answers_is_found(home, holder, page):
    announced = daemon(home, page[0])
    home.announce(announced)
    assert client.find(home.path) == announced
    assert announced.ask(PING) == {"identity": "ours"}


def test_a_record_without_a_living_daemon_is_a_crash(home, page):
    home.announce(daemon(home, page[0]))
    assert client.find(home.path) is None
    assert client.stop(home.path) is False
    crash = client.last_crash(home.path)
    assert crash.daemon == home.read()
    assert crash.last_seen == pytest.approx((home.path / "daemon.json").stat().st_mtime)


def test_somebody_elses_endpoint_is_not_our_daemon(home, holder, page):
    page[1]["identity"] = "another"
    home.announce(daemon(home, page[0]))
    assert client.find(home.path) is None


def test_a_crash_is_remembered_until_a_daemon_ends_well(home):
    home.announce(daemon(home))
    home.bury()
    assert home.read() is None
    assert client.last_crash(home.path).daemon.pid == os.getpid()
    home.announce(daemon(home))
    home.retire()
    assert client.last_crash(home.path) is None


def test_what_is_not_installed_is_named_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr(client.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="moto and asyncssh") as caught:
        client.check_installed()
    assert "pip install 'dlcluster[local]'" in str(caught.value)


def test_a_system_without_loopback_addresses_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(client, "SAMPLE_ADDRESS", "192.0.2.1")
    with pytest.raises(UserError, match="nodes need loopback addresses") as caught:
        client.check_addresses()
    assert "ifconfig lo0 alias" in str(caught.value)


def test_a_start_that_fails_tells_the_end_of_the_log(home, monkeypatch):
    home.log.write_text("first\n" * 20 + "last words\n")
    monkeypatch.setattr(client, "_start", lambda place: (1, ""))
    with pytest.raises(UserError, match="last words") as caught:
        client.ensure(home.path)
    assert caught.value.code == Exit.UNAVAILABLE
    assert str(caught.value).count("first") < 20


def test_a_home_that_cannot_be_made_is_said_with_the_variable_that_names_another(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the directory") as caught:
        Home(tmp_path / "file" / "home").create()
    assert "DLCLUSTER_LOCAL_HOME" in caught.value.hint


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_wrong_usage(port, capsys):
    with pytest.raises(SystemExit) as caught:
        _parser().parse_args([f"--port={port}"])
    assert caught.value.code == 2
    assert "is not a port" in capsys.readouterr().err
