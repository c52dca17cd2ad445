"""Calls of nodes are held to their role's policies: our own template's role, and what other policies say."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

IMAGE = "ami-785db401"
OURS = {  # what the cluster template gives to nodes
    "tags": {
        "Effect": "Allow",
        "Action": "ec2:CreateTags",
        "Resource": "arn:aws:ec2:us-east-1:123456789012:instance/*",
        "Condition": {
            "StringLike": {"aws:userid": "*:${ec2:InstanceID}"},
            "StringEquals": {"aws:ResourceTag/dlcluster:cluster": "c"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["dlcluster:host-key", "dlcluster:state"]},
        },
    },
    "list": {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::ours"},
    "read": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::ours/*"},
    "write": {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": "arn:aws:s3:::ours/jobs/*",
    },
}
READY = [{"Key": "dlcluster:state", "Value": "ready"}]


class Nodes:
    """Two instances with one role, whose policy a test may change."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.compute = cloud.emulator.compute
        iam, ec2 = cloud.client("iam"), cloud.client("ec2")
        self.iam, self.ec2, self.s3 = iam, ec2, cloud.client("s3")
        role = iam.create_role(RoleName="node", AssumeRolePolicyDocument="{}", Tags=[{"Key": "team", "Value": "v"}])
        self.role = role["Role"]
        iam.create_instance_profile(InstanceProfileName="profile")
        iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="node")
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "dlcluster:cluster", "Value": "c"}]}]
        made = ec2.run_instances(
            ImageId=IMAGE, MinCount=2, MaxCount=2, IamInstanceProfile={"Name": "profile"}, TagSpecifications=tags
        )["Instances"]
        self.ids = [item["InstanceId"] for item in made]
        for bucket in ("ours", "theirs"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_object(Bucket=bucket, Key="bundles/x", Body=b"x")

    def may(self, *statements: dict[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        self.iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=json.dumps(policy))

    def client(self, service: str, node: int = 0, **options: Any) -> Any:
        keys = self.compute.credentials(self.ids[node])
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.cloud.server.endpoint,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["Token"],
            config=Config(retries={"total_max_attempts": 1}, **options),
        )

    @property
    def arn(self) -> str:
        return f"arn:aws:sts::123456789012:assumed-role/node/{self.ids[0]}"


@pytest.fixture(scope="module")
def home(cloud: Any) -> Nodes:
    return Nodes(cloud)


@pytest.fixture
def nodes(home: Nodes) -> Nodes:
    home.may(*OURS.values())
    return home


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def test_a_node_tags_itself_with_the_two_keys(nodes: Nodes) -> None:
    nodes.client("ec2").create_tags(Resources=[nodes.ids[0]], Tags=READY)
    assert (
        next(item for item in nodes.compute.instances() if item.id == nodes.ids[0]).tags["dlcluster:state"] == "ready"
    )


def test_a_node_tags_nobody_else_and_with_no_other_key(nodes: Nodes) -> None:
    ec2 = nodes.client("ec2")
    code, message = refused(ec2.create_tags, Resources=[nodes.ids[1]], Tags=READY)
    resource = f"arn:aws:ec2:us-east-1:123456789012:instance/{nodes.ids[1]}"
    assert code == "UnauthorizedOperation"
    assert message == (
        f"You are not authorized to perform this operation. User: {nodes.arn} is not authorized to perform: "
        f"ec2:CreateTags on resource: {resource} because no identity-based policy allows the ec2:CreateTags action"
    )
    for resources, tags in [
        (nodes.ids, READY),
        (nodes.ids[:1], [*READY, {"Key": "Name", "Value": "x"}]),
        ([nodes.cloud.network()[0]], READY),
    ]:
        assert refused(ec2.create_tags, Resources=resources, Tags=tags)[0] == "UnauthorizedOperation"
    assert refused(ec2.delete_tags, Resources=nodes.ids[:1], Tags=READY)[0] == "UnauthorizedOperation"
    assert refused(ec2.describe_instances)[0] == "UnauthorizedOperation"
    assert refused(ec2.terminate_instances, InstanceIds=nodes.ids[1:])[0] == "UnauthorizedOperation"


def test_a_node_of_another_cluster_is_not_ours_to_tag(nodes: Nodes) -> None:
    nodes.ec2.create_tags(Resources=nodes.ids[:1], Tags=[{"Key": "dlcluster:cluster", "Value": "d"}])
    try:
        denied = refused(nodes.client("ec2").create_tags, Resources=nodes.ids[:1], Tags=READY)
    finally:
        nodes.ec2.create_tags(Resources=nodes.ids[:1], Tags=[{"Key": "dlcluster:cluster", "Value": "c"}])
    assert denied[0] == "UnauthorizedOperation"


def test_a_node_reads_its_bucket_and_writes_its_jobs(nodes: Nodes, tmp_path: Any) -> None:
    s3 = nodes.client("s3")
    assert s3.get_object(Bucket="ours", Key="bundles/x")["Body"].read() == b"x"
    assert s3.head_object(Bucket="ours", Key="bundles/x")["ContentLength"] == 1
    s3.put_object(Bucket="ours", Key="jobs/j/end é", Body=b"y")
    big = tmp_path / "big"
    big.write_bytes(b"b" * 9_000_000)
    s3.upload_file(str(big), "ours", "jobs/j/big")  # in parts
    assert {item["Key"] for item in s3.list_objects_v2(Bucket="ours", Prefix="jobs/j")["Contents"]} == {
        "jobs/j/end é",
        "jobs/j/big",
    }
    s3.copy_object(Bucket="ours", Key="jobs/j/copy", CopySource="ours/bundles/x")
    keys = [{"Key": "jobs/j/big"}, {"Key": "jobs/j/end é"}, {"Key": "jobs/j/copy"}]
    assert "Errors" not in s3.delete_objects(Bucket="ours", Delete={"Objects": keys})


def test_a_node_writes_nowhere_else_and_reads_no_other_bucket(nodes: Nodes) -> None:
    s3 = nodes.client("s3")
    code, message = refused(s3.put_object, Bucket="ours", Key="bundles/y", Body=b"")
    assert (code, message) == (
        "AccessDenied",
        f"User: {nodes.arn} is not authorized to perform: s3:PutObject on resource: "
        '"arn:aws:s3:::ours/bundles/y" because no identity-based policy allows the s3:PutObject action',
    )
    jobs = {"Bucket": "ours", "Key": "jobs/x"}
    for call, params in [
        (s3.delete_object, {"Bucket": "ours", "Key": "bundles/x"}),
        (s3.delete_objects, {"Bucket": "ours", "Delete": {"Objects": [{"Key": "jobs/x"}, {"Key": "bundles/x"}]}}),
        (s3.create_multipart_upload, {"Bucket": "ours", "Key": "x"}),
        (s3.get_object, {"Bucket": "theirs", "Key": "bundles/x"}),
        (s3.list_objects_v2, {"Bucket": "theirs"}),
        (s3.copy_object, {**jobs, "CopySource": "theirs/bundles/x"}),
        (s3.put_object_tagging, {**jobs, "Tagging": {"TagSet": []}}),
        (s3.put_object, {**jobs, "Tagging": "a=b"}),
        (s3.delete_bucket, {"Bucket": "ours"}),
        (s3.list_buckets, {}),
        (s3.put_bucket_policy, {"Bucket": "ours", "Policy": "{}"}),
    ]:
        assert refused(call, **params)[0] == "AccessDenied"
    assert refused(s3.head_object, Bucket="theirs", Key="bundles/x")[0] == "403"
    assert nodes.s3.head_object(Bucket="ours", Key="bundles/x")


def test_who_may_not_list_is_not_told_what_is_missing(nodes: Nodes) -> None:
    assert refused(nodes.client("s3").get_object, Bucket="ours", Key="none")[0] == "NoSuchKey"
    nodes.may(OURS["read"])
    code, message = refused(nodes.client("s3").get_object, Bucket="ours", Key="none")
    assert (code, "s3:ListBucket" in message) == ("AccessDenied", True)


def test_who_a_node_is(nodes: Nodes) -> None:
    who = nodes.client("sts").get_caller_identity()
    assert (who["Arn"], who["Account"]) == (nodes.arn, "123456789012")
    assert who["UserId"] == f"{nodes.role['RoleId']}:{nodes.ids[0]}"
    assert nodes.cloud.client("sts").get_caller_identity()["Arn"].startswith("arn:aws:")


def test_users_are_not_held_to_a_role(nodes: Nodes) -> None:
    nodes.ec2.create_tags(Resources=nodes.ids, Tags=READY)
    nodes.s3.put_object(Bucket="theirs", Key="k", Body=b"")


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_a_url_signed_by_a_node_gives_what_the_node_may(nodes: Nodes, signature: str) -> None:
    s3 = nodes.client("s3", signature_version=signature)
    url = s3.generate_presigned_url("get_object", {"Bucket": "ours", "Key": "bundles/x"})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x"
    url = s3.generate_presigned_url("get_object", {"Bucket": "theirs", "Key": "bundles/x"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)


def test_without_credentials_nothing_can_be_written_or_listed(nodes: Nodes) -> None:
    for path, method in (("/ours/jobs/x", "PUT"), ("/ours", "GET"), ("/", "GET")):
        request = urllib.request.Request(nodes.cloud.server.endpoint + path, method=method)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)


def test_credentials_are_renewed_and_the_old_ones_end(nodes: Nodes) -> None:
    sessions = nodes.compute.sessions
    first = nodes.client("s3")
    assert nodes.compute.credentials(nodes.ids[0]) == nodes.compute.credentials(nodes.ids[0])
    before = nodes.compute.credentials(nodes.ids[0])["AccessKeyId"]
    sessions.expire(nodes.ids[0])
    after = nodes.compute.credentials(nodes.ids[0])["AccessKeyId"]
    assert nodes.compute.caller(before) == nodes.compute.caller(after) == nodes.ids[0]
    assert before != after
    assert refused(first.list_objects_v2, Bucket="ours")[0] == "ExpiredToken"
    nodes.client("s3").list_objects_v2(Bucket="ours")


def test_credentials_are_renewed_before_they_end(nodes: Nodes) -> None:
    sessions, node = nodes.compute.sessions, nodes.ids[1]
    sessions.expire(node)
    sessions.lifetime = timedelta(hours=1)
    old = nodes.compute.credentials(node)
    sessions.lifetime = timedelta(hours=12)  # less than a sixth of it is left
    new = nodes.compute.credentials(node)
    sessions.lifetime = timedelta(hours=6)
    assert old["AccessKeyId"] != new["AccessKeyId"]
    assert sessions.find(old["AccessKeyId"]) is not None
    assert old["Expiration"] < new["Expiration"]


def test_a_token_that_is_not_the_keys_is_refused(nodes: Nodes) -> None:
    keys = nodes.compute.credentials(nodes.ids[0])
    for service, call, code in [
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("ssm", "describe_parameters", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
    ]:
        assert refused(getattr(nodes.cloud.client(service, access_key=keys["AccessKeyId"]), call))[0] == code


def test_other_services_are_held_to_the_policy_too(nodes: Nodes) -> None:
    nodes.cloud.client("ssm").put_parameter(Name="/team/a", Value="1", Type="String")
    queue = nodes.cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    ssm, cloudformation = nodes.client("ssm"), nodes.client("cloudformation")
    asked = {"AutoScalingGroupName": "g", "MinSize": 0}
    calls = [
        (ssm.get_parameter, {"Name": "/team/a"}, "AccessDeniedException"),
        (cloudformation.describe_stacks, {"StackName": "s"}, "AccessDenied"),
        (nodes.client("autoscaling").update_auto_scaling_group, asked, "AccessDenied"),
        (nodes.client("sqs").receive_message, {"QueueUrl": queue}, "AccessDenied"),
        (nodes.client("logs").describe_log_groups, {}, "AccessDenied"),
    ]
    for call, params, code in calls:
        assert refused(call, **params)[0].startswith(code)
    where = "us-east-1:123456789012"
    nodes.may(
        {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"arn:aws:ssm:{where}:parameter/team/*"},
        {"Effect": "Allow", "Action": "cloudformation:*", "Resource": f"arn:aws:cloudformation:{where}:stack/s/*"},
        {
            "Effect": "Allow",
            "Action": "autoscaling:*",
            "Resource": f"arn:aws:autoscaling:{where}:autoScalingGroup:*:autoScalingGroupName/g",
        },
        {"Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:{where}:q"},
    )
    assert ssm.get_parameter(Name="/team/a")["Parameter"]["Value"] == "1"
    assert refused(ssm.get_parameter, Name="/other")[0] == "AccessDeniedException"
    # What is allowed reaches the service, which knows neither this stack nor this group.
    assert refused(cloudformation.describe_stacks, StackName="s")[0] == "ValidationError"
    assert refused(nodes.client("autoscaling").update_auto_scaling_group, **asked)[0] == "ValidationError"
    nodes.client("sqs").receive_message(QueueUrl=queue)


def test_a_launch_needs_all_its_parts_and_leave_to_pass_its_role(nodes: Nodes) -> None:
    launch = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "DryRun": True, "InstanceType": "t3.micro"}
    launch["TagSpecifications"] = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]
    run = nodes.client("ec2").run_instances
    everything = {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}
    tagging = {
        "Effect": "Allow",
        "Action": "ec2:CreateTags",
        "Resource": "*",
        "Condition": {"StringEquals": {"ec2:CreateAction": "RunInstances", "aws:RequestTag/a": "b"}},
    }
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": nodes.role["Arn"]}
    small = {**everything, "Condition": {"StringLikeIfExists": {"ec2:InstanceType": "t3.nano"}}}
    for statements, missing in [
        ([passing], "ec2:RunInstances"),
        ([small], "instance/*"),
        ([{**everything, "Resource": "arn:aws:ec2:*:*:instance/*"}], "ec2:RunInstances"),
        ([everything], "ec2:CreateTags"),
        ([everything, tagging], "iam:PassRole"),
    ]:
        nodes.may(*statements)
        code, message = refused(run, **launch, IamInstanceProfile={"Name": "profile"})
        assert (code, missing in message) == ("UnauthorizedOperation", True)
    nodes.may(everything, tagging, passing)
    assert refused(run, **launch, IamInstanceProfile={"Name": "profile"})[0] == "DryRunOperation"


def test_managed_policies_and_boundaries_count(nodes: Nodes) -> None:
    s3 = nodes.client("s3")
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    policy = nodes.iam.create_policy(PolicyName="all", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    nodes.iam.attach_role_policy(RoleName="node", PolicyArn=policy)
    s3.get_object(Bucket="theirs", Key="bundles/x")
    document["Statement"]["Resource"] = "arn:aws:s3:::ours*"
    limit = nodes.iam.create_policy(PolicyName="limit", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    nodes.iam.put_role_permissions_boundary(RoleName="node", PermissionsBoundary=limit)
    code, message = refused(s3.get_object, Bucket="theirs", Key="bundles/x")
    assert (code, "no permissions boundary allows the s3:GetObject action" in message) == ("AccessDenied", True)
    s3.get_object(Bucket="ours", Key="bundles/x")
    nodes.iam.delete_role_permissions_boundary(RoleName="node")
    nodes.iam.detach_role_policy(RoleName="node", PolicyArn=policy)


def test_managed_policies_of_aws_count(nodes: Nodes) -> None:
    arn = "arn:aws:iam::aws:policy/{}"
    nodes.may({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"})
    s3, ssm = nodes.client("s3"), nodes.client("ssm")
    assert refused(s3.get_object, Bucket="theirs", Key="bundles/x")[0] == "AccessDenied"
    nodes.iam.attach_role_policy(RoleName="node", PolicyArn=arn.format("AmazonS3ReadOnlyAccess"))
    assert s3.get_object(Bucket="theirs", Key="bundles/x")["Body"].read() == b"x"
    assert refused(s3.put_object, Bucket="theirs", Key="y", Body=b"y")[0] == "AccessDenied"
    nodes.iam.attach_role_policy(RoleName="node", PolicyArn=arn.format("AmazonSSMManagedInstanceCore"))
    assert ssm.get_parameters(Names=["none"])["InvalidParameters"] == ["none"]
    assert refused(ssm.put_parameter, Name="x", Value="y", Type="String")[0] == "AccessDeniedException"
    nodes.iam.attach_role_policy(RoleName="node", PolicyArn=arn.format("AdministratorAccess"))
    nodes.client("ec2").describe_instances()
    attached = nodes.iam.list_attached_role_policies(RoleName="node")["AttachedPolicies"]
    assert len(attached) == 3
    for item in attached:
        nodes.iam.detach_role_policy(RoleName="node", PolicyArn=item["PolicyArn"])
    assert refused(s3.get_object, Bucket="theirs", Key="bundles/x")[0] == "AccessDenied"


def test_managed_policies_of_aws_are_found_and_listed(nodes: Nodes) -> None:
    core = "arn:aws:iam::aws:policy/service-role/AmazonEC2RoleforSSM"
    policy = nodes.iam.get_policy(PolicyArn=core)["Policy"]
    assert (policy["PolicyName"], policy["Path"]) == ("AmazonEC2RoleforSSM", "/service-role/")
    version = nodes.iam.get_policy_version(PolicyArn=core, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"]["Statement"]
    unknown = "arn:aws:iam::aws:policy/AmazonEC2RoleforSSM"  # the path is a part of the name
    assert refused(nodes.iam.attach_role_policy, RoleName="node", PolicyArn=unknown)[0] == "NoSuchEntity"
    assert refused(nodes.iam.create_policy_version, PolicyArn=core, PolicyDocument="{}")[0] != "InternalFailure"
    local = nodes.iam.list_policies(Scope="Local")["Policies"]
    assert not [item for item in local if item["Arn"].startswith("arn:aws:iam::aws:")]
    pages = nodes.iam.get_paginator("list_policies").paginate(Scope="AWS")
    assert len({item["Arn"] for page in pages for item in page["Policies"]}) > 1000


def test_a_buckets_policy_lets_in_and_keeps_out(nodes: Nodes) -> None:
    def policy(*statements: dict[str, Any]) -> None:
        nodes.s3.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Statement": list(statements)}))

    here = {"Action": "s3:*", "Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"]}
    tls = {"Effect": "Deny", "Principal": "*", **here, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3 = nodes.client("s3")
    policy({"Effect": "Allow", "Principal": {"AWS": nodes.role["Arn"]}, **here}, tls)
    assert s3.get_object(Bucket="theirs", Key="bundles/x")["Body"].read() == b"x"
    policy({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, **here})
    assert refused(s3.get_object, Bucket="theirs", Key="bundles/x")[0] == "AccessDenied"
    policy({**tls, "Condition": {"Bool": {"aws:SecureTransport": "true"}}})
    code, message = refused(nodes.s3.get_object, Bucket="theirs", Key="bundles/x")  # a user
    assert (code, "with an explicit deny in a resource-based policy" in message) == ("AccessDenied", True)
    nodes.s3.delete_bucket_policy(Bucket="theirs")
    nodes.s3.get_object(Bucket="theirs", Key="bundles/x")


def test_a_condition_that_is_not_emulated_is_named(nodes: Nodes) -> None:
    nodes.may({**OURS["read"], "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}})
    message = refused(nodes.client("s3").get_object, Bucket="ours", Key="bundles/x")[1]
    assert "the emulator does not know aws:SourceVpce" in message
