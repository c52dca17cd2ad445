"""AWS itself is the boundary here: the emulated services stand for it, in process, without nodes."""

from __future__ import annotations

import itertools

import pytest

from dlcluster.cloud.session import Session
from dlcluster.local.aws.front import Emulator, serve

_numbers = itertools.count()


@pytest.fixture(scope="module")
def live():
    emulator = Emulator()
    server = serve(emulator)
    yield Session("local", "us-east-1", endpoint=server.endpoint)
    emulator.close()
    server.close()


@pytest.fixture
def session(live, monkeypatch):
    monkeypatch.setattr(Session, "poll", 0.01)
    return live


@pytest.fixture
def cluster():
    """A cluster's name that no other test uses: the tests of a module share one account."""
    return f"c{next(_numbers)}"
