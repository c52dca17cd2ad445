"""Stacks as the operations show and steer them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation import api_reads


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    body = error.value.response["Error"]
    return body["Code"], body["Message"]


def parameter(value: str = "x", **attributes: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}, **attributes}


def test_a_deleted_stack_is_found_by_its_id_alone(account: Any) -> None:
    stack = account.create("gone", {"Resources": {"Note": parameter()}})
    account.delete(stack["StackId"])
    with pytest.raises(ClientError) as caught:
        account.cf.describe_stacks(StackName="gone")
    assert refused(caught) == ("ValidationError", "Stack with id gone does not exist")
    by_id = account.cf.describe_stacks(StackName=stack["StackId"])["Stacks"][0]
    assert by_id["StackStatus"] == "DELETE_COMPLETE"
    assert by_id["DeletionTime"]
    listed = account.cf.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert stack["StackId"] in [row["StackId"] for row in listed]
    assert account.cf.delete_stack(StackName="never-was")["ResponseMetadata"]["HTTPStatusCode"] == 200
    account.cf.get_waiter("stack_delete_complete").wait(StackName=stack["StackId"])


def test_a_name_is_taken_while_its_stack_lives(account: Any) -> None:
    template = {"Resources": {"Note": parameter()}}
    first = account.begin("taken", template, ClientRequestToken="one")
    assert account.begin("taken", template, ClientRequestToken="one") == first
    with pytest.raises(ClientError) as caught:
        account.begin("taken", template, ClientRequestToken="two")
    assert refused(caught) == ("AlreadyExistsException", "Stack [taken] already exists")
    account.settled(first)
    account.delete(first)
    second = account.create("taken", template)
    assert second["StackId"] != first
    account.delete(second["StackId"])


def test_iam_needs_a_capability(account: Any, cluster: dict[str, Any]) -> None:
    role = cluster["Resources"]["Role"]
    del role["Properties"]["Policies"]
    with pytest.raises(ClientError) as caught:
        account.begin("iam", {"Resources": {"Role": role}}, Capabilities=[])
    assert refused(caught) == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
    role["Properties"]["RoleName"] = "mine"
    with pytest.raises(ClientError, match=r"\[CAPABILITY_NAMED_IAM\]"):
        account.begin("iam", {"Resources": {"Role": role}}, Capabilities=["CAPABILITY_IAM"])
    stack = account.create("iam", {"Resources": {"Role": role}}, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert account.resources(stack["StackId"]) == {"Role": "mine"}
    account.delete(stack["StackId"])


def test_termination_protection_holds_until_it_is_lifted(account: Any) -> None:
    stack = account.create("safe", {"Resources": {"Note": parameter()}}, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match=r"\[safe\] cannot be deleted while TerminationProtection is enabled"):
        account.cf.delete_stack(StackName="safe")
    account.cf.update_termination_protection(StackName="safe", EnableTerminationProtection=False)
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_retained_resources_outlive_their_stack(account: Any) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    stack = account.create("keeps", {"Resources": {"Bucket": bucket}})
    name = account.resources(stack["StackId"])["Bucket"]
    account.delete(stack["StackId"])
    assert account.events(stack["StackId"])[-2]["ResourceStatus"] == "DELETE_SKIPPED"
    account.client("s3").delete_bucket(Bucket=name)


def test_a_bucket_with_objects_blocks_the_deletion_until_it_is_retained(account: Any) -> None:
    stack = account.create("full", {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Note": parameter()}})
    bucket = account.resources(stack["StackId"])["Bucket"]
    s3 = account.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    failed = account.delete(stack["StackId"])
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [Bucket]. "
    assert "BucketNotEmpty" in account.reasons(stack["StackId"])["Bucket"]
    done = account.delete(stack["StackId"], RetainResources=["Bucket"])
    assert done["StackStatus"] == "DELETE_COMPLETE"
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)


def test_events_page_newest_first_without_gap_or_repeat(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_reads, "PAGE", 7)
    notes = {f"Note{number}": parameter(str(number)) for number in range(6)}
    stack = account.create("paged", {"Resources": notes})
    first = account.cf.describe_stack_events(StackName="paged")
    account.cf.update_termination_protection(StackName="paged", EnableTerminationProtection=False)
    account.delete(stack["StackId"])  # new events must not shift the next page
    second = account.cf.describe_stack_events(StackName=stack["StackId"], NextToken=first["NextToken"])
    seen = [event["EventId"] for event in [*first["StackEvents"], *second["StackEvents"]]]
    everything = [event["EventId"] for event in account.events(stack["StackId"])][::-1]
    start = everything.index(seen[0])
    assert everything[start : start + 14] == seen
    times = [event["Timestamp"] for event in account.events(stack["StackId"])]
    assert times == sorted(times)


def test_conditions_choose_resources_and_outputs(account: Any) -> None:
    template = {
        "Parameters": {"Env": {"Type": "String", "Default": "dev"}},
        "Conditions": {"Prod": {"Fn::Equals": [{"Ref": "Env"}, "prod"]}},
        "Resources": {
            "Always": parameter(),
            "Sometimes": parameter(Condition="Prod"),
            "Uses": parameter(DependsOn="Sometimes"),
        },
        "Outputs": {"Which": {"Condition": "Prod", "Value": {"Ref": "Sometimes"}}},
    }
    stack = account.create("conditions", template)
    assert account.resources(stack["StackId"]).keys() == {"Always", "Uses"}
    assert stack.get("Outputs", []) == []
    template["Resources"]["Uses"]["Properties"]["Value"] = {"Ref": "Sometimes"}
    with pytest.raises(ClientError, match=r"Unresolved resource dependencies \[Sometimes\] in the Resources block"):
        account.update("conditions", template)
    stack = account.update("conditions", template, Parameters=[{"ParameterKey": "Env", "ParameterValue": "prod"}])
    assert account.resources(stack["StackId"]).keys() == {"Always", "Uses", "Sometimes"}
    assert stack["Outputs"][0]["OutputKey"] == "Which"
    account.delete(stack["StackId"])


def test_exports_bind_stacks_together(account: Any) -> None:
    output = {"Value": {"Ref": "Note"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-note"}}}
    exporter = account.create("exporter", {"Resources": {"Note": parameter()}, "Outputs": {"Note": output}})
    value = exporter["Outputs"][0]["OutputValue"]
    assert account.cf.list_exports()["Exports"] == [
        {"ExportingStackId": exporter["StackId"], "Name": "exporter-note", "Value": value}
    ]
    uses = parameter()
    uses["Properties"]["Value"] = {"Fn::ImportValue": "exporter-note"}
    importer = account.create("importer", {"Resources": {"Uses": uses}})
    assert account.cf.list_imports(ExportName="exporter-note")["Imports"] == ["importer"]
    blocked = account.delete(exporter["StackId"])
    assert blocked["StackStatus"] == "CREATE_COMPLETE"  # as AWS does it: the status that it had, and no DELETE_FAILED
    assert blocked["StackStatusReason"] == "Export exporter-note cannot be deleted as it is in use by importer"
    account.delete(importer["StackId"])
    assert account.delete(exporter["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    orphan = account.create("orphan", {"Resources": {"Uses": uses}})
    assert account.reasons(orphan["StackId"])["Uses"] == "No export named exporter-note found."
    account.delete(orphan["StackId"])


def test_templates_are_validated_and_summarised(account: Any, cluster: dict[str, Any]) -> None:
    text = json.dumps(cluster)
    answer = account.cf.validate_template(TemplateBody=text)
    assert answer["Description"].startswith("VPC with NAT")
    assert answer["Capabilities"] == ["CAPABILITY_IAM"]
    assert "AWS::IAM::Role" in answer["CapabilitiesReason"]
    rows = {row["ParameterKey"]: row for row in answer["Parameters"]}
    assert rows["Size"]["DefaultValue"] == "2"
    summary = account.cf.get_template_summary(TemplateBody=text)
    assert "AWS::EC2::NatGateway" in summary["ResourceTypes"]
    assert {row["ParameterType"] for row in summary["Parameters"]} >= {"Number", "String"}


def test_a_template_comes_back_as_it_was_given_and_from_s3(account: Any) -> None:
    text = "Resources:\n  Note: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}  # a comment\n"
    s3 = account.client("s3")
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key="a/b.yaml", Body=text.encode())
    for url in (f"{account.server.endpoint}/templates/a/b.yaml", "https://templates.s3.amazonaws.com/a/b.yaml"):
        answer = account.cf.create_stack(StackName="from-s3", TemplateURL=url)
        account.settled(answer["StackId"])
        assert account.cf.get_template(StackName="from-s3")["TemplateBody"] == text
        account.delete(answer["StackId"])
    with pytest.raises(ClientError, match="S3 error: The specified key does not exist"):
        account.cf.create_stack(StackName="from-s3", TemplateURL=f"{account.server.endpoint}/templates/none")
    s3.delete_object(Bucket="templates", Key="a/b.yaml")
    s3.delete_bucket(Bucket="templates")


def test_a_body_over_51200_bytes_is_refused(account: Any) -> None:
    template = {"Resources": {"Note": parameter()}, "Metadata": {"long": "x" * 51_200}}
    with pytest.raises(ClientError, match="Member must have length less than or equal to 51200"):
        account.begin("long", template)


def test_what_is_not_implemented_is_refused_by_name(account: Any, network: dict[str, Any]) -> None:
    network["Resources"]["Vpc"]["Properties"]["VpcEncryptionControl"] = {"Mode": "monitor"}
    with pytest.raises(ClientError, match=r"VpcEncryptionControl of AWS::EC2::VPC \(resource Vpc\) is not supported"):
        account.begin("unsupported", network)
    with pytest.raises(ClientError, match="ResourceTypes is not supported"):
        account.begin("unsupported", {"Resources": {"N": parameter()}}, ResourceTypes=["AWS::*"])
    for call in (account.cf.detect_stack_drift, account.cf.describe_stack_resource_drifts):
        with pytest.raises(ClientError, match=r"InvalidAction.*Not emulated here"):
            call(StackName="unsupported")
    with pytest.raises(ClientError, match="does not exist"):
        account.cf.describe_stacks(StackName="unsupported")


def test_a_running_update_can_be_cancelled(account: Any, network: dict[str, Any]) -> None:
    stack = account.create("cancelled", network)
    network["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    network["Resources"]["Waits"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": 600},
    }
    account.cf.update_stack(StackName="cancelled", TemplateBody=json.dumps(network))
    with pytest.raises(ClientError, match=r"cannot be deleted while in status UPDATE_IN_PROGRESS"):
        account.cf.delete_stack(StackName="cancelled")
    with pytest.raises(ClientError, match=r"is in UPDATE_IN_PROGRESS state and can not be updated\."):
        account.cf.update_stack(StackName="cancelled", TemplateBody=json.dumps(network))
    account.cf.cancel_update_stack(StackName="cancelled")
    assert account.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.resources(stack["StackId"]).keys() == {"Vpc", "Subnet"}
    account.delete(stack["StackId"])


def test_resources_are_described_one_by_one_and_by_physical_id(account: Any) -> None:
    stack = account.create("described", {"Resources": {"Note": parameter(Metadata={"a": 1})}})
    detail = account.cf.describe_stack_resource(StackName="described", LogicalResourceId="Note")
    row = detail["StackResourceDetail"]
    assert (row["ResourceStatus"], json.loads(row["Metadata"])) == ("CREATE_COMPLETE", {"a": 1})
    found = account.cf.describe_stack_resources(PhysicalResourceId=row["PhysicalResourceId"])["StackResources"]
    assert found[0]["StackId"] == stack["StackId"]
    listed = account.cf.list_stack_resources(StackName="described")["StackResourceSummaries"]
    assert [item["LogicalResourceId"] for item in listed] == ["Note"]
    with pytest.raises(ClientError, match="Resource None does not exist for stack described"):
        account.cf.describe_stack_resource(StackName="described", LogicalResourceId="None")
    account.delete(stack["StackId"])


def test_volumes_policies_and_generated_keys_live_and_die_with_their_stack(account: Any) -> None:
    before = account.sweep()
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
    template = {
        "Resources": {
            "Disk": {
                "Type": "AWS::EC2::Volume",
                "Properties": {"AvailabilityZone": "us-east-1a", "Size": "20", "VolumeType": "gp3"},
            },
            "Key": {"Type": "AWS::EC2::KeyPair", "Properties": {"KeyName": "generated"}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
            "Policy": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "p", "PolicyDocument": document, "Roles": [{"Ref": "Role"}]},
            },
        }
    }
    stack = account.create("odds", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
    ids = account.resources(stack["StackId"])
    iam = account.client("iam")
    assert iam.list_role_policies(RoleName=ids["Role"])["PolicyNames"] == ["p"]
    template["Resources"]["Policy"]["Properties"]["PolicyName"] = "q"
    template["Resources"]["Disk"]["Properties"]["Size"] = 30
    assert account.update("odds", template)["StackStatus"] == "UPDATE_COMPLETE"
    assert account.resources(stack["StackId"]) == ids
    assert iam.list_role_policies(RoleName=ids["Role"])["PolicyNames"] == ["q"]
    volume = account.client("ec2").describe_volumes(VolumeIds=[ids["Disk"]])["Volumes"][0]
    assert volume["Size"] == 30
    assert account.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert account.sweep() == before


def test_calls_to_buckets_are_logged_by_name_after_any_client_was_made(account: Any) -> None:
    account.emulator.calls.clear()
    stack = account.create("named", {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}})
    account.delete(stack["StackId"])
    actions = [record.action for record in account.emulator.calls if record.service == "s3"]
    assert actions == ["CreateBucket", "DeleteBucket"]


def test_topics_are_told_of_every_event_in_order(account: Any) -> None:
    sns, sqs = account.client("sns"), account.client("sqs")
    topic = sns.create_topic(Name="events")["TopicArn"]
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    template = {
        "Resources": {"N": parameter()},
        "Outputs": {"T": {"Value": {"Fn::Select": [0, {"Ref": "AWS::NotificationARNs"}]}}},
    }
    with pytest.raises(ClientError, match="Invalid notification ARN"):
        account.begin("told", template, NotificationARNs=[f"{topic}-of-nobody"])
    stack = account.create("told", template, NotificationARNs=[topic])
    assert stack["NotificationARNs"] == [topic]
    assert stack["Outputs"][0]["OutputValue"] == topic
    account.delete(stack["StackId"])
    wanted = [(row["LogicalResourceId"], row["ResourceStatus"]) for row in account.events(stack["StackId"])]
    told: list[tuple[str, str]] = []

    def heard() -> bool:
        for row in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            fields = dict(re.findall(r"(\w+)='(.*)'", row["Body"]))
            assert (fields["StackName"], fields["Namespace"]) == ("told", account.emulator.account_id)
            told.append((fields["LogicalResourceId"], fields["ResourceStatus"]))
        return len(told) == len(wanted)

    account.until(heard)
    assert told == wanted
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)


NAMED = {
    "AWS::S3::Bucket": ("BucketName", "named-twice", {}),
    "AWS::SQS::Queue": ("QueueName", "named-twice", {}),
    "AWS::SNS::Topic": ("TopicName", "named-twice", {}),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "named-twice", {"DashboardBody": '{"widgets": []}'}),
    "AWS::CloudWatch::Alarm": (
        "AlarmName",
        "named-twice",
        {
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
            "MetricName": "m",
            "Namespace": "n",
            "Period": 60,
            "Statistic": "Sum",
            "Threshold": 1,
        },
    ),
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_name_that_is_taken_fails_the_resource_and_leaves_the_other_alone(account: Any, kind: str) -> None:
    """Where the service itself would hand the same thing out again."""
    key, name, rest = NAMED[kind]
    template = {"Resources": {"One": {"Type": kind, "Properties": {key: name, **rest}}}}
    first = account.create("first", template)
    assert first["StackStatus"] == "CREATE_COMPLETE", account.reasons(first["StackId"])
    made = account.sweep()
    second = account.create("second", template)
    assert second["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.reasons(second["StackId"])["One"] == "named-twice already exists"
    assert account.sweep() == made
    account.delete(second["StackId"])
    assert account.sweep() == made
    assert account.delete(first["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_named_resource_that_must_be_replaced_needs_another_name(account: Any) -> None:
    properties: dict[str, Any] = {"TopicName": "fixed", "FifoTopic": False}
    template = {"Resources": {"One": {"Type": "AWS::SNS::Topic", "Properties": properties}}}
    stack = account.create("fixed", template)
    del properties["FifoTopic"]  # create-only: the topic would have to be made anew
    updated = account.update("fixed", template)
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.reasons(stack["StackId"])["One"].startswith(
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename fixed and"
    )
    account.delete(stack["StackId"])


def test_a_role_that_cloudformation_may_not_take_is_refused(account: Any) -> None:
    iam, body = account.client("iam"), json.dumps({"Resources": {"Note": parameter()}})

    def trusting(service: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return str(iam.create_role(RoleName=service.split(".")[0], AssumeRolePolicyDocument=document)["Role"]["Arn"])

    nodes, own = trusting("ec2.amazonaws.com"), trusting("cloudformation.amazonaws.com")
    for role in (nodes, f"{own}x"):
        with pytest.raises(ClientError, match=f"Role {role} is invalid or cannot be assumed"):
            account.cf.create_stack(StackName="roles", TemplateBody=body, RoleARN=role)
    stack = account.create("roles", body, RoleARN=own)
    assert stack["RoleARN"] == own
    account.delete(stack["StackId"])
    for name in ("ec2", "cloudformation"):
        iam.delete_role(RoleName=name)


@pytest.mark.parametrize("function", ["Fn::Transform", "Fn::ToJsonString", "Fn::Length"])
def test_functions_of_transforms_are_refused_before_anything_is_made(account: Any, function: str) -> None:
    note = parameter()
    note["Properties"]["Value"] = {function: {"a": "b"}}
    with pytest.raises(ClientError, match=f"Transforms are not supported by this endpoint: {function}"):
        account.begin("macros", {"Resources": {"Note": note}})
