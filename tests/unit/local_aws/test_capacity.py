"""Capacity per instance type and zone: a setting of the cloud that launches use up."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws import snapshot
from dlcluster.local.aws.capacity import Rule

IMAGE = "ami-785db401"


class Pools:
    """Two subnets in two zones, and the capacity of their zones."""

    def __init__(self, cloud: Any) -> None:
        self.cloud, self.ec2 = cloud, cloud.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="127.1.0.0/16")["Vpc"]["VpcId"]
        self.first, self.second = (
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"127.1.{number}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate(("us-east-1a", "us-east-1b"))
        )

    def launch(self, kind: str = "g5.xlarge", least: int = 1, most: int = 1, **more: Any) -> list[str]:
        request = {"ImageId": IMAGE, "InstanceType": kind, "SubnetId": self.first, "MinCount": least, **more}
        return [item["InstanceId"] for item in self.ec2.run_instances(MaxCount=most, **request)["Instances"]]

    def refused(self, **params: Any) -> str:
        with pytest.raises(ClientError, match="InsufficientInstanceCapacity") as error:
            self.launch(**params)
        return str(error.value.response["Error"]["Message"])

    def end(self, instance_ids: list[str]) -> None:
        self.ec2.terminate_instances(InstanceIds=instance_ids)

    def ask(self, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.cloud.server.port)
        connection.request(method, f"/_emulator/capacity{path}", None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def made(cloud: Any) -> Pools:
    return Pools(cloud)


@pytest.fixture
def pools(made: Pools) -> Iterator[Pools]:
    yield made
    made.cloud.emulator.capacity.clear()
    live = [item.id for item in made.cloud.emulator.compute.instances() if item.state != "terminated"]
    if live:
        made.end(live)


def test_capacity_is_used_up_and_freed(pools: Pools) -> None:
    assert pools.ask("POST", body={"type": "g5.*", "zone": "us-east-1a", "instances": 2})[0] == 201
    first = pools.launch(least=2, most=2)
    assert pools.refused() == (
        "We currently do not have sufficient g5.xlarge capacity in the Availability Zone you requested (us-east-1a). "
        "Our system will be working on provisioning additional capacity. You can currently get g5.xlarge capacity by "
        "not specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c, us-east-1d, "
        "us-east-1e, us-east-1f."
    )
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    assert pools.refused(**spot) == "There is no Spot capacity available that matches your request."
    for own_pool in ({"kind": "g5.2xlarge"}, {"SubnetId": pools.second}):
        pools.launch(**own_pool)
    assert pools.ask("GET")[1]["capacity"][0]["used"] == {"us-east-1a g5.2xlarge": 1, "us-east-1a g5.xlarge": 2}
    pools.end(first[:1])
    assert pools.launch()


def test_a_launch_takes_what_there_is_and_no_less_than_its_minimum(pools: Pools) -> None:
    pools.cloud.emulator.capacity.set(Rule("g5.xlarge", 3))
    pools.refused(least=4, most=6)
    assert len(pools.launch(least=1, most=6)) == 3


def test_a_stopped_instance_frees_its_place_and_may_not_get_it_back(pools: Pools) -> None:
    pools.cloud.emulator.capacity.set(Rule("g5.xlarge", 1, "us-east-1a"))
    stopped = pools.launch()
    pools.ec2.stop_instances(InstanceIds=stopped)
    pools.launch()
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        pools.ec2.start_instances(InstanceIds=stopped)


def test_a_group_takes_what_one_zone_has_and_goes_on_in_another(pools: Pools, wait_until: Callable[..., Any]) -> None:
    pools.cloud.emulator.capacity.set(Rule("g5.xlarge", 1, "us-east-1a"))
    scaling = pools.cloud.client("autoscaling")
    pools.ec2.create_launch_template(
        LaunchTemplateName="pools", LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "g5.xlarge"}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="pools",
        LaunchTemplate={"LaunchTemplateName": "pools"},
        MinSize=0,
        MaxSize=6,
        DesiredCapacity=6,
        VPCZoneIdentifier=f"{pools.first},{pools.second}",
    )

    def members() -> list[str]:
        group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["pools"])["AutoScalingGroups"][0]
        return sorted(row["AvailabilityZone"] for row in group["Instances"] if row["LifecycleState"] == "InService")

    assert wait_until(lambda: len(members()) == 6)
    assert members() == ["us-east-1a"] + 5 * ["us-east-1b"]
    failed = [
        row["StatusMessage"]
        for row in scaling.describe_scaling_activities(AutoScalingGroupName="pools")["Activities"]
        if row["StatusCode"] == "Failed"
    ]
    assert len(failed) == 1
    assert "do not have sufficient g5.xlarge capacity" in failed[0]
    scaling.delete_auto_scaling_group(AutoScalingGroupName="pools", ForceDelete=True)


def test_rules_are_listed_replaced_and_removed_and_the_last_one_counts(pools: Pools) -> None:
    for count in (5, 0):
        pools.ask("POST", body={"type": "p5.*", "instances": count})
    pools.ask("POST", body={"type": "*", "zone": "us-east-1b", "instances": 1})
    rows = pools.ask("GET")[1]["capacity"]
    assert [(row["type"], row["zone"], row["instances"]) for row in rows] == [("p5.*", "*", 0), ("*", "us-east-1b", 1)]
    pools.launch(kind="p5.48xlarge", SubnetId=pools.second)
    pools.refused(kind="p5.48xlarge", SubnetId=pools.second)
    assert pools.ask("DELETE", "?type=p5.*") == (200, {"removed": 1})
    assert pools.ask("DELETE") == (200, {"removed": 1})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"type": "p5.*"}, "whole number"),
        ({"type": "p5.*", "instances": -1}, "counts from 0"),
        ({"instances": 1}, "'type'"),
        ({"type": "p5.*", "instances": 1, "region": "x"}, "'region'"),
    ],
)
def test_what_is_no_capacity_is_refused(pools: Pools, body: Any, text: str) -> None:
    status, answer = pools.ask("POST", body=body)
    assert (status, text in answer["error"]) == (400, True)


def test_a_snapshot_holds_the_capacity(pools: Pools) -> None:
    emulator = pools.cloud.emulator
    emulator.capacity.set(Rule("g5.xlarge", 7))
    data = snapshot.dump(emulator)
    emulator.capacity.clear()
    snapshot.load(emulator, data)
    assert emulator.capacity.rows()[0]["instances"] == 7
