"""The rules of a cloud that is stopped are neither none nor gone."""

from __future__ import annotations

import pytest

from dlcluster.errors import Exit, UserError
from dlcluster.local import capacity, client


def test_without_a_cloud_there_are_no_limits(tmp_path):
    assert capacity.rules(tmp_path) == []
    assert capacity.clear(home=tmp_path) == 0


@pytest.mark.parametrize("ask", [capacity.rules, lambda home: capacity.clear(home=home)])
def test_a_stopped_cloud_keeps_its_limits_and_says_so(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "kept", lambda home: "what it held")
    with pytest.raises(UserError, match="keeps its limits") as caught:
        ask(tmp_path)
    assert caught.value.code == Exit.NOT_FOUND
