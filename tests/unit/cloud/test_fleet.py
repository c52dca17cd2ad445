from __future__ import annotations

import pytest

from dlcluster.cloud import fleet

AMI = "ami-12c6146b"


def launch(session, cluster, role, count=1, **tags):
    ec2 = session.client("ec2")
    pairs = {fleet.CLUSTER_TAG: cluster, fleet.ROLE_TAG: role, **tags}
    spec = [{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}]
    rows = ec2.run_instances(ImageId=AMI, MinCount=count, MaxCount=count, TagSpecifications=spec)["Instances"]
    return [row["InstanceId"] for row in rows]


def test_the_head_comes_first_and_workers_are_ordered_by_address(session, cluster):
    launch(session, cluster, "worker", 12)
    launch(session, cluster, "head")
    nodes = fleet.nodes(session, cluster)
    assert [node.name for node in nodes] == ["head", *[f"worker-{i}" for i in range(12)]]
    numbers = [tuple(map(int, node.private_ip.split("."))) for node in nodes[1:]]
    assert numbers == sorted(numbers)


def test_a_node_is_booting_until_it_says_otherwise(session, cluster):
    launch(session, cluster, "worker")
    assert fleet.nodes(session, cluster)[0].state == "booting"


@pytest.mark.parametrize(
    ("tag", "state", "reason"),
    [("ready", "ready", ""), ("failed: setup: exit 3", "failed", "setup: exit 3")],
)
def test_a_node_tells_its_own_state_and_host_key(session, cluster, tag, state, reason):
    launch(session, cluster, "head", **{fleet.STATE_TAG: tag, fleet.HOST_KEY_TAG: "ssh-ed25519 AAAA"})
    node = fleet.nodes(session, cluster)[0]
    assert (node.state, node.reason, node.host_key) == (state, reason, "ssh-ed25519 AAAA")


def test_other_clusters_and_ended_nodes_are_not_listed(session, cluster):
    launch(session, f"{cluster}-two", "worker")
    (ended,) = launch(session, cluster, "worker")
    session.client("ec2").terminate_instances(InstanceIds=[ended])
    assert fleet.nodes(session, cluster) == []
    assert [row["InstanceId"] for row in fleet.instances(session, cluster)] == [ended]


def test_more_nodes_than_one_answer_holds_are_all_listed(session, cluster):
    for _ in range(11):
        launch(session, cluster, "worker", 10)
    assert len(fleet.nodes(session, cluster)) == 110
