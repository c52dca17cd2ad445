from __future__ import annotations

import pytest

from dlcluster.cli.hints import complete
from dlcluster.cli.select import naming, select
from dlcluster.cluster.state import Record
from dlcluster.config import default_cluster


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("DLCLUSTER_NAME", raising=False)


def write(path, name, count):
    path.write_text(f"name: {name}\nworkers: {{count: {count}}}\n")
    return path


def test_with_nothing_given_the_built_in_cluster_is_used_and_announced(capsys):
    config = select(None, None, announce=True)
    assert (config.name, config.cloud, config.workers.count) == ("default", "local", 2)
    assert "built-in cluster" in capsys.readouterr().err


def test_a_cluster_file_in_the_directory_is_used(tmp_path):
    write(tmp_path / "cluster.yaml", "mine", 4)
    assert (select(None, None).name, select(None, None).workers.count) == ("mine", 4)


def test_a_given_file_goes_before_the_one_in_the_directory(tmp_path):
    write(tmp_path / "cluster.yaml", "mine", 4)
    assert select(write(tmp_path / "other.yaml", "other", 7), None).workers.count == 7


def test_a_name_replaces_the_one_in_the_file(tmp_path, monkeypatch):
    file = write(tmp_path / "c.yaml", "mine", 4)
    assert select(file, "yours").name == "yours"
    monkeypatch.setenv("DLCLUSTER_NAME", "theirs")
    assert (select(file, None).name, select(file, None).workers.count) == ("theirs", 4)


def test_a_name_alone_finds_what_up_has_stored(tmp_path):
    stored = default_cluster().with_name("known")
    stored = stored.model_copy(update={"workers": stored.workers.model_copy(update={"count": 9})})
    Record("known").save(stored)
    write(tmp_path / "cluster.yaml", "mine", 4)
    assert select(None, "known") == stored


def test_the_next_command_names_the_cluster_only_where_it_must(tmp_path):
    assert naming(default_cluster()) == ""
    assert naming(default_cluster().with_name("other")) == " -n other"
    (tmp_path / "cluster.yaml").write_text("not: [a cluster")
    assert naming(default_cluster()) == " -n default"


def test_a_file_is_named_until_up_has_stored_what_it_says(tmp_path):
    file = write(tmp_path / "my cluster.yaml", "mine", 4)
    config = select(file, "yours")
    assert complete("run `dlcluster up`") == f"run `dlcluster up -f '{file}' -n yours`"
    assert complete("or dlcluster logs -f") == f"or dlcluster logs --file '{file}' -n yours -f"
    Record("yours").save(config)
    assert complete("run `dlcluster up`") == "run `dlcluster up -n yours`"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("end it with: dlcluster cancel job-1; or watch it with: dlcluster logs -f",
         "end it with: dlcluster cancel -n x job-1; or watch it with: dlcluster logs -n x -f"),
        ("look around with `dlcluster ssh worker-1`", "look around with `dlcluster ssh -n x worker-1`"),
        ("`dlcluster status -a` shows all", "`dlcluster status -a` shows all"),
        ("`dlcluster local stop` stops it; dlcluster image build x", None),
        ("dlcluster down -n y", None),
        ("dlcluster logs -f waits", "dlcluster logs -n x -f waits"),
        ("the dlcluster updates", None),
    ],
)  # fmt: skip
def test_commands_in_messages_name_the_cluster_that_was_meant(text, named):
    select(None, "x")
    assert complete(text) == (named or text)
