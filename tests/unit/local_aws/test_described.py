"""DescribeInstances: pages, names and filters."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws import described

IMAGE = "ami-12c6146b"


class Account:
    """Six reservations of two instances, a third of them tagged."""

    def __init__(self, cloud: Any) -> None:
        self.ec2 = cloud.client("ec2")
        _, self.subnet, _ = cloud.network()
        self.launched = [self._run(number) for number in range(6)]

    def _run(self, number: int) -> list[str]:
        tags = [{"Key": "part", "Value": f"{'a' if number % 3 else 'b'}{number}"}]
        made = self.ec2.run_instances(
            ImageId=IMAGE,
            InstanceType="t3.micro" if number else "c5.large",
            SubnetId=self.subnet,
            MinCount=2,
            MaxCount=2,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return [item["InstanceId"] for item in made["Instances"]]

    def ids(self, **asked: Any) -> list[str]:
        pages = self.ec2.get_paginator("describe_instances").paginate(**asked)
        return sorted(item["InstanceId"] for page in pages for row in page["Reservations"] for item in row["Instances"])


@pytest.fixture(scope="module")
def account(node_cloud: Any) -> Account:
    return Account(node_cloud)


def test_pages_hold_every_reservation_once(account: Account) -> None:
    first = account.ec2.describe_instances(MaxResults=5)
    assert len(first["Reservations"]) == 5
    assert first["NextToken"]
    everything = sorted(item for rows in account.launched for item in rows)
    assert account.ids(PaginationConfig={"PageSize": 5}) == account.ids() == everything


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"MaxResults": 4}, "InvalidParameterValue"),
        ({"MaxResults": 1001}, "InvalidParameterValue"),
        ({"MaxResults": 5, "InstanceIds": ["i-00000000000000000"]}, "InvalidParameterCombination"),
        ({"InstanceIds": ["i-00000000000000000"]}, "InvalidInstanceID.NotFound"),
        ({"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue"),
        ({"NextToken": "nonsense"}, "InvalidNextToken"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_ec2_refuses(account: Account, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refusal:
        account.ec2.describe_instances(**asked)
    assert refusal.value.response["Error"]["Code"] == code


def test_filters_take_wildcards_and_all_must_pass(account: Account) -> None:
    wanted = [{"Name": "tag:part", "Values": ["b*"]}, {"Name": "instance-type", "Values": ["t?.micro", "[a-z]*"]}]
    assert account.ids(Filters=wanted) == sorted(account.launched[3])
    state = {"Name": "instance-state-name", "Values": ["pend*"]}
    some = [*account.launched[0], account.launched[1][0]]
    assert account.ids(InstanceIds=some, Filters=[wanted[0], state]) == sorted(account.launched[0])
    here = [{"Name": "subnet-id", "Values": [account.subnet]}, {"Name": "tag-key", "Values": ["part"]}]
    assert account.ids(Filters=here) == account.ids()


def test_every_filter_reads_an_instance(account: Account) -> None:
    for name in described._VALUES:
        assert account.ids(Filters=[{"Name": name, "Values": ["no such thing"]}]) == []


def test_a_reservation_is_found_by_its_id(account: Account) -> None:
    known = [{"Name": "instance-id", "Values": account.launched[0]}]
    reservation = account.ec2.describe_instances(Filters=known)["Reservations"][0]["ReservationId"]
    assert account.ids(Filters=[{"Name": "reservation-id", "Values": [reservation]}]) == sorted(account.launched[0])


def test_what_an_instance_does_not_have_is_left_out(account: Account) -> None:
    row = account.ec2.describe_instances(InstanceIds=account.launched[0][:1])["Reservations"][0]["Instances"][0]
    assert "StateReason" not in row
    assert "Association" not in row["NetworkInterfaces"][0]
