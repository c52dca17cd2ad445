"""Our store and torch's own client understand each other."""

from __future__ import annotations

import itertools
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

import dlcluster.node

SCRIPT = Path(dlcluster.node.__path__[0]) / "rendezvous.py"
pytestmark = pytest.mark.xdist_group("torchrun")


@contextmanager
def served(nodes):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, str(SCRIPT), str(listener.fileno()), str(nodes)]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        yield listener.getsockname()[1]
        assert process.poll() is None, "the store has ended"
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port():
    with served(1) as port:
        yield port


@pytest.fixture
def store_of_two():
    from torch.distributed import TCPStore

    with served(2) as port:
        yield lambda: TCPStore("127.0.0.1", port, None, False, timeout=timedelta(seconds=20), wait_for_workers=False)


@pytest.fixture
def client(port, request):
    from torch.distributed import PrefixStore, TCPStore

    def make(seconds: float = 20):
        store = TCPStore("127.0.0.1", port, None, False, timeout=timedelta(seconds=seconds), wait_for_workers=False)
        return PrefixStore(request.node.name, store)  # as the rendezvous does: one store, many users

    return make


def test_values_of_any_bytes_come_back_to_every_client(client):
    value = bytes(range(256)) * 1000
    client().set("key", value)
    assert client().get("key") == value
    assert client().get("key") == value
    client().set("empty", b"")
    assert client().get("empty") == b""


def test_a_counter_counts_for_all(client):
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda store: [store.add("n", 1) for _ in range(20)], [client() for _ in range(8)]))
    assert sorted(itertools.chain(*seen)) == list(range(1, 161))
    assert client().get("n") == b"160"
    assert client().add("n", -200) == -40


def test_compare_and_set_changes_only_what_is_as_expected(client):
    store = client()
    assert store.compare_set("key", "guess", "new") == b"guess"  # no such key: torch answers so
    assert store.compare_set("key", "", "first") == b"first"
    assert store.compare_set("key", "wrong", "x") == b"first"
    assert store.compare_set("key", "first", "second") == b"second"


def test_who_has_entered_hears_of_it_when_all_have_and_sees_them_all(store_of_two):
    first, second = store_of_two(), store_of_two()
    with ThreadPoolExecutor(1) as pool:
        assert first.compare_set("state", "", "nobody") == b"nobody"
        entering = pool.submit(first.compare_set, "state", "nobody", "first")
        while second.get("state") == b"nobody":
            pass
        assert second.compare_set("state", "nobody", "second") == b"first"  # too late: told at once
        assert not entering.done()
        assert second.compare_set("state", "first", "first, second") == b"first, second"
        assert entering.result(20) == b"first, second"
    assert first.compare_set("state", "first, second", "heartbeat") == b"heartbeat"


def test_who_waits_for_the_others_in_vain_is_answered_too(store_of_two):
    store = store_of_two()
    store.compare_set("state", "", "nobody")
    assert store.compare_set("state", "nobody", "first") == b"first"


def test_a_waiting_client_wakes_when_its_last_key_comes(client):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client().wait, ["a", "b"])
        client().set("a", b"1")
        assert not waiting.done()
        client().add("b", 1)
        waiting.result(20)


def test_a_wait_in_vain_times_out_and_the_connection_goes_on(client):
    from torch.distributed import DistStoreError

    store = client(0.3)
    with pytest.raises(DistStoreError):
        store.get("never")
    store.set("later", b"x")
    assert store.get("later") == b"x"


def test_check_delete_append_and_many_at_once(client):
    store = client()
    assert not store.check(["one", "two"])
    store.multi_set(["one", "two"], [b"1", b"2"])
    assert store.check(["one", "two"])
    assert store.multi_get(["two", "one"]) == [b"2", b"1"]
    store.append("one", b"+")
    assert store.get("one") == b"1+"
    assert store.num_keys() >= 2
    assert store.delete_key("one")
    assert not store.delete_key("one")


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" + struct.pack("<I", 1),
        b"\3" + struct.pack("<Q", 1 << 60),
        b"\5" + struct.pack("<Q", 1 << 60),
        b"\3" + struct.pack("<Q", 1) + b"?",
    ],
    ids=["http", "magic", "huge value", "many keys", "missing key"],
)
def test_strangers_are_turned_away(port, client, words):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(words)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10) == b""
    client().set("still", b"here")
