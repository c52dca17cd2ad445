"""AWS itself is the boundary here: moto stands for it, in process."""

from __future__ import annotations

import pytest
from moto import mock_aws

from dlcluster.cloud.session import Session


@pytest.fixture
def session(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        monkeypatch.setattr(Session, "poll", 0.01)
        yield Session("aws", "us-east-1")
