"""AWS itself is the boundary here: the emulated services stand for it, in process, without nodes."""

from __future__ import annotations

import pytest

from dlcluster.cloud.session import Session
from dlcluster.local.aws.front import Emulator, serve


@pytest.fixture(scope="module")
def live():
    """One session for a module: making boto3 clients is the dear part."""
    with_port = serve(Emulator())
    with_port.close()
    return Session("local", "us-east-1", endpoint=with_port.endpoint)


@pytest.fixture
def session(live, monkeypatch):
    """The session on a new, empty account."""
    monkeypatch.setattr(Session, "poll", 0.01)
    emulator = Emulator()
    server = serve(emulator, port=int(live.endpoint.rpartition(":")[2]))
    yield live
    emulator.close()
    server.close()
