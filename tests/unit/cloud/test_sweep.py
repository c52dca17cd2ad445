from __future__ import annotations

from dlcluster.cloud import sweep
from dlcluster.cloud.fleet import CLUSTER_TAG

AMI = "ami-12c6146b"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}]}'


def tags(kind, cluster):
    return [{"ResourceType": kind, "Tags": [{"Key": CLUSTER_TAG, "Value": cluster}]}]


def make_everything(session, cluster):
    """One of each kind that a cluster consists of, made by hand, without a stack."""
    ec2, iam, s3 = session.client("ec2"), session.client("iam"), session.client("s3")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc", cluster))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", TagSpecifications=tags("subnet", cluster))
    subnet_id = subnet["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway", cluster))
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway["InternetGateway"]["InternetGatewayId"])
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", cluster))
    ec2.create_nat_gateway(
        SubnetId=subnet_id, AllocationId=address["AllocationId"], TagSpecifications=tags("natgateway", cluster)
    )
    group = ec2.create_security_group(
        GroupName="g", Description="g", VpcId=vpc, TagSpecifications=tags("security-group", cluster)
    )["GroupId"]
    ec2.run_instances(
        ImageId=AMI,
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet_id,
        SecurityGroupIds=[group],
        TagSpecifications=tags("instance", cluster),
    )
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tags("volume", cluster))
    ec2.create_launch_template(
        LaunchTemplateName=f"{cluster}-template",
        LaunchTemplateData={"ImageId": AMI, "InstanceType": "t3.micro"},
        TagSpecifications=tags("launch-template", cluster),
    )
    ec2.create_key_pair(KeyName=f"{cluster}-key", TagSpecifications=tags("key-pair", cluster))
    session.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=f"{cluster}-group",
        MinSize=1,
        MaxSize=1,
        LaunchTemplate={"LaunchTemplateName": f"{cluster}-template"},
        VPCZoneIdentifier=subnet_id,
        Tags=[{"Key": CLUSTER_TAG, "Value": cluster, "PropagateAtLaunch": True}],
    )
    bucket = f"dlcluster-{cluster}-bucket-abc"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": CLUSTER_TAG, "Value": cluster}]})
    s3.put_object(Bucket=bucket, Key="x", Body=b"x")
    role, profile = f"dlcluster-{cluster}-NodeRole-ABC", f"dlcluster-{cluster}-NodeProfile-ABC"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=POLICY)
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=POLICY)
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)


KINDS = {
    "VPC", "subnet", "internet gateway", "elastic IP", "NAT gateway", "security group", "instance", "volume",
    "launch template", "key pair", "auto scaling group", "bucket", "role", "instance profile",
}  # fmt: skip


def test_every_kind_of_leftover_is_found(session, cluster):
    make_everything(session, cluster)
    assert {item.kind for item in sweep.find(session, cluster)} >= KINDS


def test_a_cluster_whose_name_begins_alike_is_not_touched(session, cluster):
    make_everything(session, f"{cluster}-b")
    assert sweep.find(session, cluster) == []
    assert sweep.remove(session, cluster).removed == []
    assert {item.kind for item in sweep.find(session, f"{cluster}-b")} >= KINDS


def test_leftovers_are_removed_in_an_order_that_works(session, cluster):
    make_everything(session, cluster)
    swept = sweep.remove(session, cluster)
    assert swept.left == []
    assert {item.kind for item in swept.removed} >= KINDS
    assert sweep.find(session, cluster) == []


def test_what_is_to_be_kept_stays_and_is_named(session, cluster):
    make_everything(session, cluster)
    swept = sweep.remove(session, cluster, keep={"bucket"})
    assert [item.kind for item in swept.kept] == ["bucket"]
    assert session.client("s3").get_object(Bucket=swept.kept[0].id, Key="x")["Body"].read() == b"x"


def test_what_cannot_be_deleted_is_reported_as_left(session, cluster, monkeypatch):
    make_everything(session, cluster)
    monkeypatch.setattr(session.client("ec2"), "delete_volume", refuse())
    swept = sweep.remove(session, cluster, passes=3)
    assert {item.kind for item in swept.left} == {"volume"}


def refuse():
    from botocore.exceptions import ClientError

    def deny(**_):
        raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DeleteVolume")

    return deny


def test_nothing_is_found_in_an_empty_account(session, cluster):
    assert sweep.find(session, cluster) == []
