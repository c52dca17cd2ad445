from __future__ import annotations

from types import SimpleNamespace

from dlcluster.cluster import up
from dlcluster.config import default_cluster


def test_workers_of_another_type_than_the_file_says_are_told():
    config, said = default_cluster(), []
    reporter = SimpleNamespace(warn=said.append)
    workers = [SimpleNamespace(name=f"worker-{n}", instance_type=kind) for n, kind in enumerate(["c7i.xlarge"] * 2)]
    up._tell_of_old_types(SimpleNamespace(workers=workers), config, reporter)
    assert said == []
    workers += [SimpleNamespace(name=f"worker-{n}", instance_type="g5.xlarge") for n in range(2, 8)]
    up._tell_of_old_types(SimpleNamespace(workers=workers), config, reporter)
    assert "became c7i.xlarge" in said[0]
    assert "worker-2 (g5.xlarge)" in said[0]
    assert "worker-5 (g5.xlarge) and 2 more" in said[0]
