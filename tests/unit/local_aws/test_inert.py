"""Services that hold what they are told and do nothing with it: FSx, Budgets, capacity reservations, policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError


def code(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def subnet(cloud: Any) -> Any:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.3.1.0/24")["Subnet"]["SubnetId"]
    yield subnet
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def lustre(subnet: str, **options: Any) -> dict[str, Any]:
    settings = {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 250}
    request = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200, "SubnetIds": [subnet]}
    return {**request, "LustreConfiguration": settings, **options}


def test_a_file_system_is_creating_then_available_and_holds_its_subnet(
    cloud: Any, subnet: str, wait_until: Any
) -> None:
    fsx, ec2 = cloud.client("fsx"), cloud.client("ec2")
    made = fsx.create_file_system(**lustre(subnet, Tags=[{"Key": "a", "Value": "b"}]))["FileSystem"]
    assert made["Lifecycle"] == "CREATING"
    system = made["FileSystemId"]

    def look() -> dict[str, Any]:
        return fsx.describe_file_systems(FileSystemIds=[system])["FileSystems"][0]

    wait_until(lambda: look()["Lifecycle"] == "AVAILABLE")
    assert len(look()["LustreConfiguration"]["MountName"]) == 8
    assert code(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    fsx.tag_resource(ResourceARN=made["ResourceARN"], Tags=[{"Key": "c", "Value": "d"}])
    fsx.untag_resource(ResourceARN=made["ResourceARN"], TagKeys=["a"])
    assert fsx.list_tags_for_resource(ResourceARN=made["ResourceARN"])["Tags"] == [{"Key": "c", "Value": "d"}]
    assert fsx.update_file_system(FileSystemId=system, StorageCapacity=2400)["FileSystem"]["StorageCapacity"] == 2400
    assert code(fsx.update_file_system, FileSystemId=system, StorageCapacity=1200) == "BadRequest"
    assert fsx.delete_file_system(FileSystemId=system)["Lifecycle"] == "DELETING"
    wait_until(lambda: not fsx.describe_file_systems()["FileSystems"])
    assert code(fsx.describe_file_systems, FileSystemIds=[system]) == "FileSystemNotFound"


def test_file_systems_that_fsx_does_not_offer_are_refused(cloud: Any, subnet: str) -> None:
    fsx = cloud.client("fsx")
    scratch = {"DeploymentType": "SCRATCH_2"}
    slow = {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 100}
    assert code(fsx.create_file_system, **lustre(subnet, StorageCapacity=1300)) == "BadRequest"
    assert code(fsx.create_file_system, **lustre(subnet, FileSystemType="WINDOWS")) == "BadRequest"
    refused = lustre(subnet, LustreConfiguration=slow)
    assert code(fsx.create_file_system, **refused) == "InvalidPerUnitStorageThroughput"
    assert code(fsx.create_file_system, **lustre("subnet-12345678")) == "InvalidNetworkSettings"
    assert code(fsx.create_file_system, **lustre(subnet, FileSystemType="ext4")) == "ValidationException"
    token = lustre(subnet, LustreConfiguration=scratch, ClientRequestToken="once")
    first, second = fsx.create_file_system(**token), fsx.create_file_system(**token)
    assert first["FileSystem"]["FileSystemId"] == second["FileSystem"]["FileSystemId"]
    fsx.delete_file_system(FileSystemId=first["FileSystem"]["FileSystemId"])


def test_a_budget_keeps_its_limit_its_notifications_and_its_tags(cloud: Any) -> None:
    budgets, account = cloud.client("budgets"), {"AccountId": cloud.emulator.account_id}
    budget = {
        "BudgetName": "monthly",
        "BudgetLimit": {"Amount": "100", "Unit": "USD"},
        "TimeUnit": "MONTHLY",
        "BudgetType": "COST",
    }
    alarm = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
    mail = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
    budgets.create_budget(
        **account, Budget=budget, NotificationsWithSubscribers=[{"Notification": alarm, "Subscribers": [mail]}]
    )
    assert code(budgets.create_budget, **account, Budget=budget) == "DuplicateRecordException"
    named = {**account, "BudgetName": "monthly"}
    assert budgets.describe_budget(**named)["Budget"]["BudgetLimit"] == {"Amount": "100", "Unit": "USD"}
    assert budgets.describe_notifications_for_budget(**named)["Notifications"] == [alarm]
    assert budgets.describe_subscribers_for_notification(**named, Notification=alarm)["Subscribers"] == [mail]
    budgets.update_budget(**account, NewBudget={**budget, "BudgetLimit": {"Amount": "50", "Unit": "USD"}})
    assert budgets.describe_budgets(**account)["Budgets"][0]["BudgetLimit"]["Amount"] == "50"
    arn = f"arn:aws:budgets::{account['AccountId']}:budget/monthly"
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "a", "Value": "b"}])
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [{"Key": "a", "Value": "b"}]
    budgets.delete_budget(**named)
    assert code(budgets.describe_budget, **named) == "NotFoundException"
    assert code(budgets.describe_budgets, AccountId="999999999999") == "AccessDeniedException"


def test_capacity_is_reserved_changed_and_cancelled(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    request = {"InstanceType": "p4d.24xlarge", "InstancePlatform": "Linux/UNIX", "AvailabilityZone": "us-east-1a"}
    tags = [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "for", "Value": "training"}]}]
    made = ec2.create_capacity_reservation(**request, InstanceCount=2, TagSpecifications=tags)["CapacityReservation"]
    assert (made["State"], made["TotalInstanceCount"]) == ("active", 2)
    one = {"CapacityReservationId": made["CapacityReservationId"]}
    assert ec2.modify_capacity_reservation(**one, InstanceCount=3)["Return"]
    filters = [{"Name": "tag:for", "Values": ["train*"]}, {"Name": "state", "Values": ["active"]}]
    found = ec2.describe_capacity_reservations(Filters=filters)["CapacityReservations"]
    assert [row["TotalInstanceCount"] for row in found] == [3]
    assert ec2.cancel_capacity_reservation(**one)["Return"]
    assert ec2.describe_capacity_reservations(Filters=filters)["CapacityReservations"] == []
    assert code(ec2.cancel_capacity_reservation, **one) == "InvalidCapacityReservationState"
    unknown = {**request, "InstanceCount": 1, "InstanceType": "p99.large"}
    assert code(ec2.create_capacity_reservation, **unknown) == "InvalidInstanceType"
    assert code(ec2.create_capacity_reservation, **request, InstanceCount=1, EndDateType="limited").startswith(
        "Invalid"
    )


def test_a_capacity_block_is_offered_bought_once_and_scheduled(cloud: Any) -> None:
    ec2 = cloud.client("ec2")
    wanted = {"InstanceType": "p5.48xlarge", "InstanceCount": 4, "CapacityDurationHours": 48}
    offer = ec2.describe_capacity_block_offerings(**wanted)["CapacityBlockOfferings"][0]
    assert offer["EndDate"] - offer["StartDate"] == timedelta(hours=48)
    assert offer["StartDate"] > datetime.now(UTC)
    bought = {"CapacityBlockOfferingId": offer["CapacityBlockOfferingId"], "InstancePlatform": "Linux/UNIX"}
    block = ec2.purchase_capacity_block(**bought)["CapacityReservation"]
    assert (block["ReservationType"], block["State"]) == ("capacity-block", "scheduled")
    assert code(ec2.purchase_capacity_block, **bought) == "InvalidCapacityBlockOfferingId.NotFound"
    one = {"CapacityReservationId": block["CapacityReservationId"]}
    assert code(ec2.cancel_capacity_reservation, **one) == "UnsupportedOperation"
    refused = {**wanted, "InstanceType": "m5.large"}
    assert code(ec2.describe_capacity_block_offerings, **refused) == "InvalidParameterValue"
