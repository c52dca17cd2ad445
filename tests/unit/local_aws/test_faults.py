"""Faults: what each kind does to a call, in the words of each service, and which calls it strikes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from dlcluster.local.aws.faults import Fault

IMAGE = "ami-12c6146b"


@pytest.fixture(autouse=True)
def calm(cloud: Any) -> Iterator[None]:
    """No fault before or after a test, and an empty log."""
    cloud.emulator.faults.clear()
    cloud.emulator.calls.clear()
    yield
    cloud.emulator.faults.clear()


def fault(cloud: Any, kind: str, **which: Any) -> Fault:
    return cloud.emulator.faults.add(Fault(kind=kind, **{"times": None, **which}))


def refusal(call: Any, *args: Any, **params: Any) -> tuple[str, int]:
    """Code and HTTP status of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(*args, **params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


LISTS = {
    "ec2": "describe_vpcs", "s3": "list_buckets", "iam": "list_roles", "autoscaling": "describe_auto_scaling_groups",
    "cloudformation": "describe_stacks", "ssm": "describe_parameters", "logs": "describe_log_groups",
    "efs": "describe_file_systems", "cloudwatch": "describe_alarms", "sts": "get_caller_identity",
    "sqs": "list_queues", "sns": "list_topics",
}  # fmt: skip
CODES = {
    "throttle": {
        "ec2": ("RequestLimitExceeded", 503), "s3": ("SlowDown", 503), "sns": ("Throttled", 429),
        "ssm": ("ThrottlingException", 400), "logs": ("ThrottlingException", 400),
        "efs": ("ThrottlingException", 400), "sqs": ("ThrottlingException", 400), "*": ("Throttling", 400),
    },
    "internal": {
        "ec2": ("InternalError", 500), "s3": ("InternalError", 500), "ssm": ("InternalServerError", 500),
        "efs": ("InternalServerError", 500), "*": ("InternalFailure", 500),
    },
    "unavailable": {
        "ec2": ("Unavailable", 503), "logs": ("ServiceUnavailableException", 503), "*": ("ServiceUnavailable", 503),
    },
    "expired": {
        "ec2": ("RequestExpired", 400), "s3": ("ExpiredToken", 400), "ssm": ("ExpiredTokenException", 400),
        "logs": ("ExpiredTokenException", 400), "efs": ("ExpiredTokenException", 400),
        "sqs": ("ExpiredTokenException", 400), "*": ("ExpiredToken", 403),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", CODES)
def test_each_service_words_a_fault_in_its_own_way(cloud: Any, kind: str) -> None:
    fault(cloud, kind)
    for service, operation in LISTS.items():
        wanted = CODES[kind].get(service, CODES[kind]["*"])
        assert refusal(getattr(cloud.client(service), operation)) == wanted, service


@pytest.mark.parametrize("kind", ["throttle", "internal", "unavailable", "lost"])
def test_boto3_repeats_what_aws_would_have_it_repeat(cloud: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    for service, operation in LISTS.items():
        client = boto3.client(
            service, region_name="us-east-1", endpoint_url=cloud.server.endpoint, aws_access_key_id="user",
            aws_secret_access_key="secret", config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
        )  # fmt: skip
        struck = fault(cloud, kind, service=service, times=1)
        answer = getattr(client, operation)()
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1, service
        assert struck.hits == 1


def test_a_call_whose_answer_is_lost_took_effect(cloud: Any) -> None:
    fault(cloud, "lost", action="CreateBucket")
    with pytest.raises(ConnectionClosedError):
        cloud.client("s3").create_bucket(Bucket="unheard")
    assert "unheard" in [row["Name"] for row in cloud.client("s3").list_buckets()["Buckets"]]
    record = next(call for call in cloud.emulator.calls if call.action == "CreateBucket")
    assert (record.status, record.error) == (200, "AnswerLost")


def test_a_service_of_the_emulator_gets_its_lost_answer_when_it_asks_again(cloud: Any) -> None:
    client = cloud.emulator.client("ec2", "us-east-1", origin="cloudformation")
    before = len(client.describe_vpcs()["Vpcs"])
    fault(cloud, "lost", origin="cloudformation", action="CreateVpc")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert len(client.describe_vpcs()["Vpcs"]) == before + 1
    client.delete_vpc(VpcId=vpc)


def launch(cloud: Any, instance_type: str = "m5.large", **options: Any) -> Any:
    params = {"ImageId": IMAGE, "InstanceType": instance_type, "MinCount": 1, "MaxCount": 1, **options}
    return cloud.client("ec2").run_instances(**params)


def test_capacity_lacks_for_a_type_in_a_zone(cloud: Any) -> None:
    fault(cloud, "capacity", instance_type="p5.*", zone="us-east-1a")
    zone = {"Placement": {"AvailabilityZone": "us-east-1a"}}
    with pytest.raises(ClientError) as caught:
        launch(cloud, "p5.48xlarge", **zone)
    error = caught.value.response["Error"]
    assert error["Code"] == "InsufficientInstanceCapacity"
    assert error["Message"].startswith(
        "We currently do not have sufficient p5.48xlarge capacity in the Availability Zone you requested (us-east-1a)."
    )
    assert "or choosing us-east-1b, us-east-1c" in error["Message"]
    launch(cloud, "m5.large", **zone)
    launch(cloud, "p5.48xlarge", Placement={"AvailabilityZone": "us-east-1b"})


def test_capacity_that_lacks_everywhere_names_no_other_zone(cloud: Any) -> None:
    fault(cloud, "capacity", instance_type="p5.48xlarge")
    with pytest.raises(ClientError) as caught:
        launch(cloud, "p5.48xlarge")
    assert "or choosing" not in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("ec2", "run_instances", {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1}, "VcpuLimitExceeded"),
        ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}, "VpcLimitExceeded"),
        ("ec2", "allocate_address", {}, "AddressLimitExceeded"),
        ("s3", "create_bucket", {"Bucket": "onemore"}, "TooManyBuckets"),
        ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}, "LimitExceeded"),
    ],
)
def test_a_quota_has_the_code_of_what_it_limits(
    cloud: Any, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    client = cloud.client(service)
    fault(cloud, "quota", action=client.meta.method_to_api_mapping[operation])
    assert refusal(getattr(client, operation), **params)[0] == code


def test_what_was_just_created_is_unknown_for_a_while(cloud: Any, wait_until: Any) -> None:
    ec2 = cloud.client("ec2")
    struck = fault(cloud, "hidden", action="CreateVpc", seconds=0.6)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert refusal(ec2.describe_vpcs, VpcIds=[vpc]) == ("InvalidVpcID.NotFound", 400)
    assert refusal(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.0.0/24") == ("InvalidVpcID.NotFound", 400)
    assert vpc not in [row["VpcId"] for row in ec2.describe_vpcs()["Vpcs"]]
    assert ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"] == []
    own = cloud.emulator.client("ec2", "us-east-1", origin="cloudformation")
    assert own.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc
    wait_until(lambda: vpc in [row["VpcId"] for row in ec2.describe_vpcs()["Vpcs"]])
    assert struck.hits == 1
    ec2.delete_vpc(VpcId=vpc)


def test_hidden_instances_are_missing_and_the_others_are_not(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    (seen,) = launch(cloud)["Instances"]
    fault(cloud, "hidden", action="RunInstances", seconds=60)
    (unseen,) = launch(cloud)["Instances"]
    rows = [row["InstanceId"] for group in ec2.describe_instances()["Reservations"] for row in group["Instances"]]
    assert (seen["InstanceId"] in rows, unseen["InstanceId"] in rows) == (True, False)
    assert refusal(ec2.describe_instances, InstanceIds=[unseen["InstanceId"]])[0] == "InvalidInstanceID.NotFound"


def test_a_new_instance_profile_is_not_yet_known_to_ec2(cloud: Any) -> None:
    iam = cloud.client("iam")
    fault(cloud, "hidden", action="CreateInstanceProfile", seconds=60)
    iam.create_instance_profile(InstanceProfileName="fresh")
    assert refusal(iam.get_instance_profile, InstanceProfileName="fresh") == ("NoSuchEntity", 404)
    assert refusal(launch, cloud, IamInstanceProfile={"Name": "fresh"})[0] == "InvalidParameterValue"
    cloud.emulator.faults.clear()
    launch(cloud, IamInstanceProfile={"Name": "fresh"})


def test_a_slow_call_takes_effect_later(cloud: Any) -> None:
    fault(cloud, "slow", action="DescribeVpcs", seconds=0.3)
    started = time.monotonic()
    cloud.client("ec2").describe_vpcs()
    assert time.monotonic() - started >= 0.3


def outcomes(cloud: Any, calls: int) -> str:
    """One letter per call of DescribeVpcs: `x` where it failed."""
    letters = ""
    for _ in range(calls):
        try:
            cloud.client("ec2").describe_vpcs()
            letters += "."
        except ClientError:
            letters += "x"
    return letters


def test_calls_are_counted(cloud: Any) -> None:
    struck = fault(cloud, "throttle", action="Describe*", nth=2, times=2)
    assert outcomes(cloud, 5) == ".xx.."
    assert (struck.hits, struck.over) == (2, True)


def test_a_seed_draws_the_same_calls_again(cloud: Any) -> None:
    drawn = []
    for _ in range(2):
        cloud.emulator.faults.clear()
        fault(cloud, "throttle", probability=0.5, seed=7)
        drawn.append(outcomes(cloud, 12))
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {".", "x"}


def test_a_fault_ends_at_its_time(cloud: Any) -> None:
    fault(cloud, "throttle", until=time.time() - 1)
    assert outcomes(cloud, 1) == "."


def test_one_instance_can_be_struck_alone(cloud: Any) -> None:
    ids = [launch(cloud)["Instances"][0]["InstanceId"] for _ in range(2)]
    cloud.emulator.calls.clear()
    fault(cloud, "expired", origin=ids[0])
    clients = [cloud.client("ec2", access_key=cloud.emulator.compute.credentials(id)["AccessKeyId"]) for id in ids]
    for client in clients:
        with contextlib.suppress(ClientError):
            client.describe_vpcs()
    struck = [(call.instance, call.error == "RequestExpired") for call in cloud.emulator.calls]
    assert struck == [(ids[0], True), (ids[1], False)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "flood"}, "no such kind of fault: flood"),
        ({"kind": "error"}, "needs a code"),
        ({"kind": "slow"}, "needs seconds above 0"),
        ({"kind": "lost", "zone": "us-east-1a"}, "cannot be selected by instance type or zone"),
        ({"kind": "throttle", "nth": 0}, "count from 1"),
        ({"kind": "throttle", "probability": 1.5}, "a probability is above 0 and at most 1"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Fault(**fields)
