"""A whole cluster's template: created, updated, replaced and deleted, with nothing left."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

TAGS = [{"Key": "owner", "Value": "me"}]


@pytest.fixture
def deployed(account: Any, cluster: dict[str, Any]) -> Any:
    """(stack, cluster template); the stack is removed and the account swept afterwards."""
    before = account.sweep()
    stack = account.create("cluster", cluster, Tags=TAGS)
    assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
    yield stack
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE", account.reasons(stack["StackId"])
    assert account.sweep() == before


def test_a_cluster_is_created_as_its_template_says_and_deleted_to_nothing(account: Any, deployed: Any) -> None:
    ids = account.resources(deployed["StackId"])
    ec2 = account.client("ec2")
    outputs = {row["OutputKey"]: row["OutputValue"] for row in deployed["Outputs"]}
    assert outputs["Bucket"] == ids["Bucket"]
    assert len(account.instances(ids["Workers"])) == 2
    head = ec2.describe_instances(InstanceIds=[ids["Head"]])["Reservations"][0]["Instances"][0]
    assert head["PrivateIpAddress"] == outputs["HeadAddress"]
    assert head["State"]["Name"] == "running"
    data = ec2.describe_instance_attribute(InstanceId=ids["Head"], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"echo head"
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=ids["Template"])["LaunchTemplateVersions"]
    template = versions[0]["LaunchTemplateData"]
    assert template["MetadataOptions"]["HttpTokens"] == "required"
    assert base64.b64decode(template["UserData"]) == b"#!/bin/sh\necho us-east-1\n"
    s3 = account.client("s3")
    assert s3.get_bucket_versioning(Bucket=ids["Bucket"])["Status"] == "Enabled"
    rule = s3.get_bucket_lifecycle_configuration(Bucket=ids["Bucket"])["Rules"][0]
    assert (rule["ID"], rule["Expiration"], rule["Filter"]) == ("old", {"Days": 7}, {"Prefix": "tmp/"})
    assert s3.get_public_access_block(Bucket=ids["Bucket"])["PublicAccessBlockConfiguration"]["BlockPublicAcls"]
    policy = account.client("iam").get_role_policy(RoleName=ids["Role"], PolicyName="bucket")["PolicyDocument"]
    assert policy["Statement"][0]["Resource"] == f"arn:aws:s3:::{ids['Bucket']}/*"
    note = account.client("ssm").get_parameter(Name=ids["Note"])["Parameter"]["Value"]
    assert note == f"{ids['Bucket']},{outputs['HeadAddress']}"


def test_stack_tags_and_cloudformations_own_reach_resources_and_group_members(account: Any, deployed: Any) -> None:
    ids = account.resources(deployed["StackId"])
    ec2 = account.client("ec2")
    workers = account.instances(ids["Workers"])
    for resource, logical in [(ids["Vpc"], "Vpc"), (ids["Head"], "Head"), *((item, "Workers") for item in workers)]:
        found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
        tags = {row["Key"]: row["Value"] for row in found}
        assert tags["owner"] == "me"
        assert tags["aws:cloudformation:stack-name"] == "cluster"
        assert tags["aws:cloudformation:logical-id"] == logical
        assert tags["aws:cloudformation:stack-id"] == deployed["StackId"]
    role = account.client("iam").list_role_tags(RoleName=ids["Role"])["Tags"]
    assert role == TAGS
    assert account.client("s3").get_bucket_tagging(Bucket=ids["Bucket"])["TagSet"] == TAGS
    log = account.client("logs").list_tags_log_group(logGroupName=ids["Journal"])["tags"]
    assert log["owner"] == "me"


def test_events_tell_every_step_of_every_resource(account: Any, deployed: Any) -> None:
    events = account.events(deployed["StackId"])
    told: dict[str, list[tuple[str, str]]] = {}
    for event in events:
        row = event["ResourceStatus"], event.get("ResourceStatusReason", "")
        told.setdefault(event["LogicalResourceId"], []).append(row)
    resources = account.resources(deployed["StackId"])
    assert told.pop("cluster") == [("CREATE_IN_PROGRESS", "User Initiated"), ("CREATE_COMPLETE", "")]
    assert told.keys() == resources.keys()
    for steps in told.values():
        assert steps == [
            ("CREATE_IN_PROGRESS", ""),
            ("CREATE_IN_PROGRESS", "Resource creation Initiated"),
            ("CREATE_COMPLETE", ""),
        ]
    assert len({event["EventId"] for event in events}) == len(events)
    position = {(event["LogicalResourceId"], event["ResourceStatus"]): index for index, event in enumerate(events)}
    assert position["Vpc", "CREATE_COMPLETE"] < position["Public", "CREATE_COMPLETE"]
    assert position["Attachment", "CREATE_COMPLETE"] < position["PublicRoute", "CREATE_COMPLETE"]


def test_a_group_grows_in_place_and_keeps_its_members(account: Any, deployed: Any, cluster: dict[str, Any]) -> None:
    ids = account.resources(deployed["StackId"])
    before = account.instances(ids["Workers"])
    stack = account.update("cluster", cluster, Parameters=[{"ParameterKey": "Size", "ParameterValue": "3"}])
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    after = account.instances(ids["Workers"])
    assert len(after) == 3
    assert before < after
    assert account.resources(deployed["StackId"]) == ids


def test_a_new_launch_template_version_replaces_nothing(account: Any, deployed: Any, cluster: dict[str, Any]) -> None:
    ids = account.resources(deployed["StackId"])
    members = account.instances(ids["Workers"])
    parameters = [{"ParameterKey": "InstanceType", "ParameterValue": "m5.xlarge"}]
    stack = account.update("cluster", cluster, Parameters=parameters)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", account.reasons(deployed["StackId"])
    assert account.resources(deployed["StackId"]) == ids
    assert account.instances(ids["Workers"]) == members
    group = account.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[ids["Workers"]])
    assert group["AutoScalingGroups"][0]["LaunchTemplate"]["Version"] == "2"


def test_a_vpc_with_an_attached_gateway_cannot_be_replaced(
    account: Any, deployed: Any, cluster: dict[str, Any]
) -> None:
    ids = account.resources(deployed["StackId"])
    parameters = [{"ParameterKey": "VpcCidr", "ParameterValue": "10.77.0.0/16"}]
    stack = account.update("cluster", cluster, Parameters=parameters)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", account.reasons(deployed["StackId"])
    assert "Resource.AlreadyAssociated" in account.reasons(deployed["StackId"])["Attachment"]
    assert account.resources(deployed["StackId"]) == ids
    given = {row["ParameterKey"]: row["ParameterValue"] for row in stack["Parameters"]}
    assert given["VpcCidr"] == "10.0.0.0/16"


def test_resources_that_leave_the_template_leave_the_account(
    account: Any, deployed: Any, cluster: dict[str, Any]
) -> None:
    note = account.resources(deployed["StackId"])["Note"]
    del cluster["Resources"]["Note"]
    cluster["Resources"]["Other"] = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}
    assert account.update("cluster", cluster)["StackStatus"] == "UPDATE_COMPLETE"
    assert "Note" not in account.resources(deployed["StackId"])
    with pytest.raises(ClientError, match="ParameterNotFound"):
        account.client("ssm").get_parameter(Name=note)


def test_new_stack_tags_reach_what_exists(account: Any, deployed: Any, cluster: dict[str, Any]) -> None:
    stack = account.update("cluster", cluster, Tags=[{"Key": "team", "Value": "blue"}])
    assert stack["StackStatus"] == "UPDATE_COMPLETE", account.reasons(deployed["StackId"])
    ids = account.resources(deployed["StackId"])
    for logical in ("Vpc", "Nat", "Head", "Storage", "HeadSecurity"):
        filters = [{"Name": "resource-id", "Values": [ids[logical]]}]
        tags = {row["Key"]: row["Value"] for row in account.client("ec2").describe_tags(Filters=filters)["Tags"]}
        assert tags["team"] == "blue", logical
        assert "owner" not in tags, logical
    assert account.client("iam").list_role_tags(RoleName=ids["Role"])["Tags"] == [{"Key": "team", "Value": "blue"}]


def test_an_update_that_changes_nothing_is_refused(account: Any, deployed: Any, cluster: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"ValidationError.*No updates are to be performed\."):
        account.update("cluster", cluster)


def test_a_failing_update_rolls_back_to_what_was(account: Any, deployed: Any, cluster: dict[str, Any]) -> None:
    before, ids = account.sweep(), account.resources(deployed["StackId"])
    cluster["Resources"]["Journal"]["Properties"]["RetentionInDays"] = 14
    cluster["Resources"]["Placement"]["Properties"]["Strategy"] = "spread"
    cluster["Resources"]["Late"] = {"Type": "AWS::S3::Bucket", "DependsOn": ["Workers", "Journal"]}
    account.fail("TooManyBuckets", action="CreateBucket")
    del cluster["Resources"]["Note"]
    parameters = [{"ParameterKey": "Size", "ParameterValue": "3"}]
    stack = account.update("cluster", cluster, Parameters=parameters)
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", account.reasons(deployed["StackId"])
    assert account.resources(deployed["StackId"]) == ids
    assert account.until(lambda: account.sweep() == before)
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix=ids["Journal"])["logGroups"]
    assert groups[0]["retentionInDays"] == 7
    placement = account.client("ec2").describe_placement_groups(GroupNames=[ids["Placement"]])["PlacementGroups"]
    assert placement[0]["Strategy"] == "cluster"
    versions = account.client("ec2").describe_launch_template_versions(LaunchTemplateId=ids["Template"])
    latest = max(versions["LaunchTemplateVersions"], key=lambda row: row["VersionNumber"])["LaunchTemplateData"]
    assert latest["Placement"]["GroupName"] == ids["Placement"]
