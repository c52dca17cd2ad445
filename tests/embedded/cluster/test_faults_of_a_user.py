"""A rehearsal of trouble from the command line: what `up` says, what it leaves, and how the faults end."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.xdist_group("faults")


def leftovers(world, name):
    from dlcluster.cloud import sweep
    from dlcluster.cloud.session import Session

    return sweep.find(Session("local", "us-east-1", endpoint=world.daemon()["endpoint"]), name)


def test_no_capacity_fails_up_with_its_root_cause_and_up_succeeds_once_there_is(world):
    fault = world.json("local", "fault", "add", "capacity", "--type", "c7i.xlarge")
    failed = world.run("up", "-n", "x", code=73)
    assert "We currently do not have sufficient c7i.xlarge capacity" in failed.stderr
    assert "everything that had been created is removed" in failed.stderr
    assert leftovers(world, "x") == []
    (listed,) = world.json("local", "fault", "list")
    assert (listed["id"], listed["hits"] > 0) == (fault["id"], True)
    refused = world.json("local", "calls", "--failed", "--origin", "autoscaling")
    assert {row["error"] for row in refused} == {"InsufficientInstanceCapacity"}
    assert world.json("local", "fault", "clear") == {"removed": 1}

    # The answer to the very call that starts the stack is lost, and the API is throttled now and then.
    world.run("local", "fault", "add", "lost", "--action", "ExecuteChangeSet", "--count", "1")
    world.run("local", "fault", "add", "throttle", "--origin", "user", "--probability", "0.1", "--seed", "3")
    world.run("up", "-n", "x")
    lost, throttled = world.json("local", "fault", "list")
    assert (lost["hits"], lost["over"]) == (1, True)
    assert throttled["hits"] > 0
    world.run("down", "-n", "x")
    assert leftovers(world, "x") == []


def test_the_log_of_calls_can_be_followed(world):
    world.run("local", "fault", "add", "expired", "--service", "ec2", "--origin", "user")
    process = world.start("local", "calls", "-f", "--failed", "--service", "ec2", "--json")
    denied = world.run("up", "-n", "x", code=77)
    assert "RequestExpired" in denied.stderr
    row = json.loads(process.stdout.readline())
    assert (row["error"], row["origin"]) == ("RequestExpired", "user")
    process.terminate()
    process.communicate(timeout=10)


def test_what_cannot_be_is_said_in_one_line(world):
    assert "no such kind of fault: flood" in world.run("local", "fault", "add", "flood", code=2).stderr
    assert "needs seconds above 0" in world.run("local", "fault", "add", "slow", code=2).stderr
    assert "no such fault: none" in world.run("local", "fault", "clear", "none", code=66).stderr
    world.run("local", "stop", "-y")
    assert world.json("local", "fault", "list") == []
    assert "does not run" in world.run("local", "calls", code=66).stderr


def test_capacity_is_limited_and_a_spot_node_is_taken_back(world):
    assert world.json("local", "capacity", "set", "t3.*", "1")[0]["instances"] == 1
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="127.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.7.1.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    tags = [{"Key": "dlcluster:cluster", "Value": "x"}, {"Key": "dlcluster:role", "Value": "worker"}]
    launch = {
        "ImageId": "ami-12c6146b", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet,
        "InstanceMarketOptions": {"MarketType": "spot"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
    }  # fmt: skip
    identity = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
    with pytest.raises(ClientError, match="There is no Spot capacity available"):
        ec2.run_instances(**launch)
    (rule,) = world.json("local", "capacity", "list")
    assert rule["used"] == {"us-east-1a t3.micro": 1}

    def state():
        return ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]["State"]["Name"]

    assert world.wait_for(lambda: state() == "running", 20)
    assert "there is no node worker-1" in world.run("local", "interrupt", "worker-1", "-n", "x", code=66).stderr
    assert world.json("local", "interrupt", "worker-0", "-n", "x", "--after", "0.2s")["instance"] == identity
    assert world.wait_for(lambda: state() == "terminated", 20)
    assert "no running Spot Instance" in world.run("local", "interrupt", identity, code=2).stderr
    assert world.json("local", "capacity", "clear", "t3.*") == {"removed": 1}
    assert world.json("local", "capacity", "list") == []
