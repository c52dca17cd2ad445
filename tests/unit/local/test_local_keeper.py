"""What the cloud holds is written by the loop and by whoever asks, at the same time if need be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from dlcluster.local import keeper, saved


def test_two_who_save_at_once_do_not_take_each_others_file(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper.snapshot, "dump", lambda emulator, wait: b"all of it")
    monkeypatch.setattr(keeper.snapshot, "stacks", lambda emulator: [])
    emulator = SimpleNamespace(compute=SimpleNamespace(instances=list), backend=SimpleNamespace(bucket_count=lambda: 1))
    path = tmp_path / "cloud.snapshot"
    kept = keeper.Keeper(emulator, path, nodes=True)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: kept.save([]), range(100))) == {""}
    found = saved.read(path, keeper.snapshot.fingerprint(), nodes=True)
    assert found is not None
    assert found[1] == b"all of it"
