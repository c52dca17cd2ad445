"""The cluster file: what loads, and how every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dlcluster.config import ClusterConfig, default_cluster, load_cluster, parse_cluster, starter_file
from dlcluster.errors import Exit, UserError


def _told(text: str) -> str:
    with pytest.raises(UserError) as error:
        parse_cluster(text, "c.yaml")
    assert error.value.code == Exit.USAGE
    return str(error.value)


def test_an_empty_file_is_the_default_cluster():
    assert parse_cluster("") == parse_cluster("# nothing\n") == default_cluster() == ClusterConfig()


def test_the_starter_file_is_the_default_cluster():
    assert parse_cluster(starter_file()) == default_cluster()


def test_the_starter_file_shows_every_key_that_has_a_default():
    shown = starter_file()
    for key in ("name", "cloud", "region", "image", "type", "count", "disk_gib", "spot", "placement_group", "efa"):
        assert f"{key}:" in shown
    assert shown.startswith("# yaml-language-server: $schema=cluster.schema.json\n")
    assert starter_file("https://x/y.json").startswith("# yaml-language-server: $schema=https://x/y.json\n")


def test_values_arrive_where_they_belong(tmp_path: Path):
    path = tmp_path / "cluster.yaml"
    path.write_text(
        "name: vision\ncloud: aws\nregion: eu-west-1\nimage: ami-0123456789abcdef0\n"
        "workers: {type: p5.48xlarge, count: 4, spot: on, efa: true, placement_group: no}\n"
        "network: {ssh_from: [203.0.113.7, 198.51.100.0/24], zone: eu-west-1b}\n"
        "setup:\n  - echo one\n  - echo two\n"
    )
    config = load_cluster(path)
    assert (config.name, config.stack_name, config.workers.count) == ("vision", "dlcluster-vision", 4)
    assert (config.workers.spot, config.workers.efa, config.workers.placement_group) == (True, True, False)
    assert config.network.ssh_from == ("203.0.113.7/32", "198.51.100.0/24")
    assert config.setup == ("echo one", "echo two")


def test_an_alias_stands_for_what_it_names():
    config = parse_cluster("head: &disk {disk_gib: 200}\nworkers: *disk\n")
    assert config.head.disk_gib == config.workers.disk_gib == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workrs: {count: 2}", "c.yaml:1:1: unknown key 'workrs'; did you mean 'workers'?"),
        ("workers:\n  cuont: 2", "c.yaml:2:3: unknown key 'workers.cuont'; did you mean 'count'?"),
        ("bucket: {zzz: 1}", "c.yaml:1:10: unknown key 'bucket.zzz'; known keys: keep, expire_days"),
        ("workers:\n  count: two", "c.yaml:2:10: workers.count: expected a whole number, got 'two'"),
        ("workers: {count: 2.5}", "c.yaml:1:18: workers.count: expected a whole number, got 2.5"),
        ("workers: {count: '2'}", "c.yaml:1:18: workers.count: expected a whole number, got '2'"),
        ("workers: {count: true}", "c.yaml:1:18: workers.count: expected a whole number, got true"),
        ("workers: {count: 0}", "c.yaml:1:18: workers.count: expected at least 1, got 0"),
        ("workers: {count: 1001}", "c.yaml:1:18: workers.count: expected at most 1000, got 1001"),
        ("workers: {spot: 1}", "c.yaml:1:17: workers.spot: expected true or false, got 1"),
        ("workers: {efa: maybe}", "c.yaml:1:16: workers.efa: expected 'auto', true or false, got 'maybe'"),
        ("workers: {efa: 1}", "c.yaml:1:16: workers.efa: expected 'auto', true or false, got 1"),
        ("workers: 3", "c.yaml:1:10: workers: expected keys and values, got 3"),
        ("workers:", "c.yaml:1:9: workers: expected keys and values, got nothing"),
        ("cloud: gcp", "c.yaml:1:8: cloud: expected 'local' or 'aws', got 'gcp'"),
        ("name: Big", "c.yaml:1:7: name: expected text that matches ^[a-z][a-z0-9-]{0,30}$, got 'Big'"),
        ("name: 7", "c.yaml:1:7: name: expected text (quote it {or_date}), got 7"),
        ("setup: echo", "c.yaml:1:8: setup: expected a list, got 'echo'"),
        ("setup: [echo, 3]", "c.yaml:1:15: setup.1: expected text (quote it {or_date}), got 3"),
        ("tags: {a: 1}", "c.yaml:1:11: tags.a: expected text (quote it {or_date}), got 1"),
        ("- a", "c.yaml:1:1: the file: expected keys and values, got a list"),
        ("head: [a", "c.yaml:1:9: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2", "c.yaml:2:1: not valid YAML: but found another document"),
        ("name: \x07", "c.yaml:1:1: not valid YAML: special characters are not allowed"),
        ("name: a\nname: b", "c.yaml:2:1: key 'name' is there twice, first on line 1"),
        ("? [a]\n: 1", "c.yaml:1:3: expected a plain word as key"),
        ("head: &h {type: *h}", "c.yaml:1:7: an alias refers to the mapping or list that it stands in"),
        ("name: 2026-99-99", "c.yaml:1:7: not a value: month must be in 1..12"),
        ("name: 2026-01-02", "c.yaml:1:7: name: expected text (quote it {or_date}), got 2026-01-02"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, told):
    assert told.replace("{or_date}", "when it looks like a number or a date") in _told(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image: dlami-pytroch", "got 'dlami-pytroch'; did you mean dlami-pytorch?"),
        ("image: windows", "names: dlami-pytorch, "),
        ("network: {vpc_cidr: 10.0.0.0/8}", "expected a range from /16 to /26, got 10.0.0.0/8"),
        ("network: {vpc_cidr: 10.0.0.0/27}", "expected a range from /16 to /26, got 10.0.0.0/27"),
        ("network: {vpc_cidr: 10.0.0.1/16}", "10.0.0.1/16 has host bits set"),
        ("network: {ssh_from: [home]}", "expected an IPv4 range such as 203.0.113.7/32"),
        ("network: {ssh_from: ['::/0']}", "expected an IPv4 range such as 203.0.113.7/32"),
        ("tags: {'aws:x': y}", "does not begin with aws: or dlcluster:"),
        ("tags: {'dlcluster:cluster': y}", "does not begin with aws: or dlcluster:"),
        ("tags: {a: 'x;y'}", "letters, digits, spaces and"),
        ("tags: {'': x}", "a key of 1 to 128 characters"),
        ("region: mars", "region: expected text that matches"),
        ("python: python3", "python: expected text that matches"),
    ],
)
def test_a_value_against_the_rules_is_told(text, told):
    assert told in _told(text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    told = _told("nmae: x\nworkers:\n  count: 0\n  spto: true\ncloud: moon\n").splitlines()
    assert [line.split(": ")[0] for line in told] == ["c.yaml:1:1", "c.yaml:3:10", "c.yaml:4:3", "c.yaml:5:8"]


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UserError, match="No such file") as error:
        load_cluster(tmp_path / "none.yaml")
    assert "dlcluster init" in error.value.hint
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    with pytest.raises(UserError, match="not UTF-8"):
        load_cluster(tmp_path / "latin.yaml")


def test_another_name_gives_another_cluster_and_a_bad_one_is_refused():
    assert default_cluster().with_name("demo").name == "demo"
    assert default_cluster("other").name == "other"
    with pytest.raises(UserError, match="not a cluster name"):
        default_cluster("Not OK")


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        default_cluster().name = "x"


@pytest.mark.parametrize(
    ("workers", "efa", "group"),
    [
        ("{type: c7i.xlarge, count: 4}", False, False),
        ("{type: p5.48xlarge, count: 4}", True, True),
        ("{type: p5.48xlarge, count: 1}", True, False),
        ("{type: p5.48xlarge, count: 4, efa: false}", False, False),
        ("{type: p5.48xlarge, count: 4, placement_group: false}", True, False),
        ("{type: c7i.xlarge, count: 4, placement_group: true}", False, True),
        ("{type: c7i.xlarge, efa: true}", False, False),
    ],
)
def test_what_auto_means(workers, efa, group):
    config = parse_cluster(f"workers: {workers}")
    assert (config.use_efa, config.use_placement_group) == (efa, group)


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("", "/opt/pytorch/bin/python"),
        ("image: ubuntu", "/usr/bin/python3"),
        ("image: ami-0123456789abcdef0", "/usr/bin/python3"),
        ("python: /opt/mine/bin/python", "/opt/mine/bin/python"),
    ],
)
def test_the_python_of_the_nodes(text, python):
    assert parse_cluster(text).node_python == python
