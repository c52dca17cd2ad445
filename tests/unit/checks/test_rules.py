"""The offline rules: each says what it should, and keeps quiet otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlcluster import checks
from dlcluster.catalog import instance_type
from dlcluster.config import default_cluster, parse_cluster

AWS = "cloud: aws\nnetwork: {ssh_from: [203.0.113.7/32]}\n"


def _aws(text: str) -> str:
    return f"{AWS}{text}"


def _network(text: str) -> str:
    return f"cloud: aws\nnetwork: {{ssh_from: [203.0.113.7/32], {text}}}"


CASES = [
    ("type-name", "workers: {type: p5.48xlrage}", "did you mean p5.48xlarge?"),
    ("type-name", "head: {type: large}", "head.type: 'large' is not an EC2 instance type"),
    ("type-unknown", "workers: {type: c7i.12xlarge}", "workers.type: c7i.12xlarge is not in the catalog"),
    (
        "architecture",
        "workers: {type: g5g.xlarge}",
        "for it: dlami-pytorch-arm64, dlami-base-arm64, ubuntu-arm64",
    ),
    ("architecture", "image: ubuntu-arm64", "head.type: t3.medium is x86_64, the image ubuntu-arm64 is arm64"),
    ("architecture", "image: ami-0123456789abcdef0\nworkers: {type: g5g.xlarge}", "they share one image"),
    ("efa-unsupported", "workers: {efa: true}", "workers.efa: c7i.xlarge has no EFA"),
    ("efa-unsupported", "workers: {type: m5.large, efa: true}", "workers.efa: m5.large has no EFA"),
    ("efa-off", "workers: {type: p5.48xlarge, efa: false}", "p5.48xlarge has EFA and it is switched off"),
    ("placement-group-alone", "workers: {count: 1, placement_group: true}", "nothing to be close to"),
    ("placement-group-unsupported", "workers: {type: t3.medium, placement_group: true}", "t3.medium cannot be"),
    ("reservation-only", _aws("workers: {type: p5en.48xlarge}"), "capacity block or reservation"),
    ("reservation-only", _aws("workers: {type: p6-b300.48xlarge}"), "capacity block or reservation"),
    (
        "price-unknown",
        _aws("region: us-east-2\nworkers: {type: p6-b300.48xlarge}"),
        "p6-b300.48xlarge in us-east-2",
    ),
    ("price-unknown", _aws("region: sa-east-1"), "no price is known for t3.medium in sa-east-1"),
    ("gpu-driver", "workers: {type: p3.2xlarge}", "open driver, which does not know the V100 of p3.2xlarge"),
    ("gpu-driver", "image: dlami-base\nworkers: {type: p3dn.24xlarge}", "proprietary driver"),
    ("no-gpu-driver", "image: ubuntu\nworkers: {type: g6.xlarge}", "ubuntu has no driver for the L4"),
    ("no-gpu-driver", "workers: {type: trn1.2xlarge}", "no driver for the Trainium"),
    ("no-torch", _aws("image: ubuntu"), "jobs on ubuntu run /usr/bin/python3"),
    ("no-torch", _aws("image: ami-0123456789abcdef0"), "set `python`"),
    ("disk-size", "head: {disk_gib: 50}", "head.disk_gib: 50 GiB is less than the 75 GiB of dlami-pytorch"),
    ("disk-size", "workers: {disk_gib: 74}", "workers.disk_gib: 74 GiB"),
    ("setup-size", f"setup: [{'x' * 4097}]", "setup: 4097 bytes, and 4096 fit"),
    ("ssh-missing", "cloud: aws", "nobody could reach the head"),
    ("ssh-open", "cloud: aws\nnetwork: {ssh_from: [0.0.0.0/0]}", "opens SSH to the whole internet"),
    ("vpc-range", "network: {vpc_cidr: 10.0.0.0/16}", "10.0.0.0/16 is not in 127.0.0.0/8"),
    ("vpc-range", _network("vpc_cidr: 127.1.0.0/16"), "AWS refuses 127.1.0.0/16"),
    ("vpc-public", _network("vpc_cidr: 8.8.0.0/16"), "8.8.0.0/16 is not a private range"),
    ("vpc-size", "network: {vpc_cidr: 127.1.0.0/24}\nworkers: {count: 124}", "room for 123 workers, not 124"),
    ("zone", "network: {zone: eu-west-1a}", "zone: eu-west-1a is not in us-east-1"),
    ("zone", "network: {zone: us-east-1}", "for example us-east-1a"),
]


@pytest.mark.parametrize(("rule", "text", "told"), CASES)
def test_the_rule_says(rule, text, told):
    findings = [finding for finding in checks.run(parse_cluster(text)) if finding.rule == rule]
    assert any(told in f"{finding.message}; {finding.hint}" for finding in findings)
    assert {finding.level for finding in findings} == {checks.RULES[rule][0]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        AWS,
        _aws("workers: {type: p5.48xlarge, count: 16}"),
        _aws("image: dlami-pytorch-arm64\nhead: {type: g5g.xlarge}\nworkers: {type: g5g.xlarge}"),
        _aws("image: ubuntu\npython: /opt/venv/bin/python\nhead: {disk_gib: 8}"),
        _aws("workers: {spot: true, count: 1}"),
        f"setup: [{'x' * 4096}]",
        _network("vpc_cidr: 172.20.0.0/20, zone: us-east-1c"),
        "network: {vpc_cidr: 127.1.0.0/24}\nworkers: {count: 123}",
        "workers: {count: 1000}",
    ],
)
def test_a_sound_cluster_has_no_findings(text):
    assert checks.run(parse_cluster(text)) == []


def test_every_rule_has_a_case():
    shown = {rule for rule, _, _ in CASES} | {"spot-unavailable"}
    assert shown == set(checks.RULES)


def test_spot_of_a_type_that_is_not_sold_as_spot(monkeypatch):
    reserved = replace(instance_type("c7i.xlarge"), usage_classes=frozenset({"on-demand"}))
    monkeypatch.setattr("dlcluster.checks.machines.instance_type", lambda name: reserved)
    findings = checks.run(parse_cluster("workers: {spot: true}"))
    assert ("spot-unavailable", "workers.spot: c7i.xlarge is not sold as spot") in [
        (finding.rule, finding.message) for finding in findings
    ]


def test_errors_come_first():
    findings = checks.run(parse_cluster("workers: {type: c7i.12xlarge, efa: true, count: 1, placement_group: true}"))
    assert [finding.level for finding in findings] == ["ERROR", "WARNING", "WARNING"]


def test_the_default_cluster_would_be_sound_on_aws_but_for_ssh():
    config = default_cluster().model_copy(update={"cloud": "aws"})
    assert [finding.rule for finding in checks.run(config)] == ["ssh-missing"]
