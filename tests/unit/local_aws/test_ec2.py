"""EC2 where moto alone is wrong: launches, states, placement groups, the order of deletions, no debris."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-12c6146b"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKN/LXZQCneGtyYK2uB9IE7PQbMzAmm6m1/vOqL7ea9X"
DLAMI = "/aws/service/deeplearning/ami/{}/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id"
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"


class Network:
    """A VPC with a public subnet, a security group, a role and a key."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.ec2, self.iam = cloud.client("ec2"), cloud.client("iam")
        self.vpc, self.subnet, self.group = cloud.network()
        self.iam.create_role(RoleName="node", AssumeRolePolicyDocument="{}")
        self.iam.create_instance_profile(InstanceProfileName="node")
        self.iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
        self.ec2.import_key_pair(KeyName="key", PublicKeyMaterial=KEY.encode())

    def run(self, **params: Any) -> list[dict[str, Any]]:
        request = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "SubnetId": self.subnet, **params}
        return list(self.ec2.run_instances(**{k: v for k, v in request.items() if v is not None})["Instances"])

    def describe(self, instance_id: str) -> dict[str, Any]:
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(found["Reservations"][0]["Instances"][0])

    def terminate_all(self) -> None:
        live = [item.id for item in self.cloud.emulator.compute.instances() if item.state != "terminated"]
        if live:
            self.ec2.terminate_instances(InstanceIds=live)


@pytest.fixture(scope="module")
def home(node_cloud: Any) -> Network:
    return Network(node_cloud)


@pytest.fixture
def network(home: Network) -> Any:
    yield home
    home.terminate_all()


def refusal(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**params)
    return str(error.value.response["Error"]["Code"])


def test_a_launch_template_is_applied_in_full(network: Network) -> None:
    network.ec2.create_placement_group(GroupName="close", Strategy="cluster")
    template = network.ec2.create_launch_template(
        LaunchTemplateName="full",
        LaunchTemplateData={
            "ImageId": IMAGE,
            "InstanceType": "c5.large",
            "KeyName": "key",
            "UserData": base64.b64encode(b"#!/bin/sh\necho up\n").decode(),
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
            "IamInstanceProfile": {"Name": "node"},
            "Placement": {"GroupName": "close"},
            "NetworkInterfaces": [
                {"DeviceIndex": 0, "SubnetId": network.subnet, "Groups": [network.group],
                 "AssociatePublicIpAddress": True},
            ],
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 40, "VolumeType": "gp3", "Encrypted": True}}
            ],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": [{"Key": "cluster", "Value": "c1"}]}
                for kind in ("instance", "volume", "network-interface")
            ],
        },
    )["LaunchTemplate"]["LaunchTemplateId"]  # fmt: skip
    made = network.ec2.run_instances(MinCount=2, MaxCount=2, LaunchTemplate={"LaunchTemplateId": template})
    for instance in made["Instances"]:
        assert instance["State"]["Name"] == "pending"
        assert instance["InstanceType"] == "c5.large"
        assert [group["GroupId"] for group in instance["SecurityGroups"]] == [network.group]
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["IamInstanceProfile"]["Arn"].endswith("instance-profile/node")
        assert instance["Placement"]["GroupName"] == "close"
        assert instance["PublicIpAddress"] == instance["PrivateIpAddress"]
        (interface,) = instance["NetworkInterfaces"]
        assert interface["Attachment"]["DeleteOnTermination"]
    tagged = network.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["cluster"]}])["Tags"]
    kinds = sorted(tag["ResourceType"] for tag in tagged if tag["ResourceType"] != "launch-template")
    assert kinds == ["instance"] * 2 + ["network-interface"] * 2 + ["volume"] * 2
    volumes = network.ec2.describe_volumes()["Volumes"]
    assert [(item["Size"], item["VolumeType"], item["Encrypted"]) for item in volumes] == [(40, "gp3", True)] * 2
    node = next(item for item in network.cloud.emulator.compute.instances() if item.state == "pending")
    assert (node.key_material, node.user_data) == (KEY, b"#!/bin/sh\necho up\n")
    assert (node.region, node.tags["cluster"], node.profile_arn is not None) == ("us-east-1", "c1", True)
    network.terminate_all()
    assert network.ec2.describe_volumes()["Volumes"] == []
    assert network.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    network.ec2.delete_placement_group(GroupName="close")
    network.ec2.delete_launch_template(LaunchTemplateId=template)
    left = network.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["cluster"]}])["Tags"]
    assert {tag["ResourceType"] for tag in left} == {"instance"}


def test_what_a_request_says_wins_over_its_template(network: Network) -> None:
    network.ec2.create_launch_template(
        LaunchTemplateName="base",
        LaunchTemplateData={
            "ImageId": IMAGE,
            "InstanceType": "c5.large",
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "template"}]}],
        },
    )
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "request"}]}]
    (instance,) = network.run(
        ImageId=None, LaunchTemplate={"LaunchTemplateName": "base"}, InstanceType="c5.xlarge", TagSpecifications=tags
    )
    assert instance["InstanceType"] == "c5.xlarge"
    assert {"Key": "a", "Value": "request"} in instance["Tags"]
    network.ec2.delete_launch_template(LaunchTemplateName="base")


def test_cards_that_share_a_device_index_keep_their_interfaces(network: Network) -> None:
    cards = [
        {"DeviceIndex": min(card, 1), "NetworkCardIndex": card, "InterfaceType": kind, "SubnetId": network.subnet,
         "Groups": [network.group]}
        for card, kind in enumerate(["efa", "efa-only", "efa-only", "efa-only"])
    ]  # fmt: skip
    (instance,) = network.run(InstanceType="p5.48xlarge", SubnetId=None, NetworkInterfaces=cards)
    kinds = [item["InterfaceType"] for item in instance["NetworkInterfaces"]]
    assert kinds == ["efa", "efa-only", "efa-only", "efa-only"]


def test_a_client_token_launches_once(network: Network) -> None:
    first, second = network.run(ClientToken="t1"), network.run(ClientToken="t1")
    assert first[0]["InstanceId"] == second[0]["InstanceId"]
    assert refusal(network.run, ClientToken="t1", MaxCount=2) == "IdempotentParameterMismatch"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ImageId": None}, "MissingParameter"),
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "q9.large"}, "InvalidParameterValue"),
        ({"InstanceType": "c7g.large"}, "InvalidParameterValue"),
        ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterValue"),
        ({"KeyName": "nobody"}, "InvalidKeyPair.NotFound"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "InvalidGroup.NotFound"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"IamInstanceProfile": {"Name": "nobody"}}, "InvalidParameterValue"),
        ({"Placement": {"GroupName": "nobody"}}, "InvalidPlacementGroup.Unknown"),
        ({"UserData": "#" * (16 * 1024 + 1)}, "InvalidParameterValue"),
        ({"MaxCount": 1000}, "InsufficientFreeAddressesInSubnet"),
        ({"DryRun": True}, "DryRunOperation"),
        ({"LaunchTemplate": {"LaunchTemplateName": "nobody"}}, "InvalidLaunchTemplateName.NotFoundException"),
    ],
)
def test_what_ec2_refuses_is_refused_and_nothing_is_launched(
    network: Network, params: dict[str, Any], code: str
) -> None:
    before = len(network.cloud.emulator.compute.instances())
    assert refusal(network.run, **params) == code
    assert len(network.cloud.emulator.compute.instances()) == before


def test_an_instance_runs_when_its_node_is_up(network: Network) -> None:
    (instance,) = network.run()
    instance_id = instance["InstanceId"]
    assert network.describe(instance_id)["State"]["Name"] == "pending"
    network.cloud.emulator.compute.set_state(instance_id, "running")
    assert network.describe(instance_id)["State"] == {"Code": 16, "Name": "running"}


def test_a_stopped_instance_is_pending_again_when_it_starts(network: Network) -> None:
    instance_id = network.run()[0]["InstanceId"]
    network.cloud.emulator.compute.set_state(instance_id, "running")
    network.ec2.stop_instances(InstanceIds=[instance_id])
    assert network.describe(instance_id)["State"]["Name"] == "stopped"
    network.ec2.start_instances(InstanceIds=[instance_id])
    assert network.describe(instance_id)["State"]["Name"] == "pending"


def test_an_instance_that_is_terminated_stays_so(network: Network) -> None:
    ids = [network.run()[0]["InstanceId"]]
    network.ec2.terminate_instances(InstanceIds=ids)
    (again,) = network.ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    assert (again["PreviousState"]["Name"], again["CurrentState"]["Name"]) == ("terminated", "terminated")
    for change in (network.ec2.start_instances, network.ec2.stop_instances, network.ec2.reboot_instances):
        assert refusal(change, InstanceIds=ids) == "IncorrectInstanceState"
    network.cloud.emulator.compute.set_state(ids[0], "running")
    assert network.describe(ids[0])["State"]["Name"] == "terminated"
    assert refusal(network.ec2.terminate_instances, InstanceIds=["i-00000000"]) == "InvalidInstanceID.NotFound"


def test_a_reboot_does_not_hurry_a_node(network: Network) -> None:
    instance_id = network.run()[0]["InstanceId"]
    network.ec2.reboot_instances(InstanceIds=[instance_id])
    assert network.describe(instance_id)["State"]["Name"] == "pending"


def test_a_node_that_dies_terminates_its_instance_with_a_reason(network: Network) -> None:
    instance_id = network.run()[0]["InstanceId"]
    reason = "Server.SpotInstanceTermination: Spot capacity is gone"
    network.cloud.emulator.compute.set_state(instance_id, "terminated", reason)
    described = network.describe(instance_id)
    assert described["State"]["Name"] == "terminated"
    assert described["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert network.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_an_address_is_not_given_away_while_its_instance_is_remembered(network: Network) -> None:
    first = network.run()[0]
    network.ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    second = network.run()[0]
    assert second["PrivateIpAddress"] != first["PrivateIpAddress"]


def test_a_small_subnet_takes_back_the_addresses_of_terminated_instances(network: Network) -> None:
    subnet = network.ec2.create_subnet(VpcId=network.vpc, CidrBlock="127.1.9.0/28")["Subnet"]["SubnetId"]
    for _ in range(3):
        made = network.run(SubnetId=subnet, MaxCount=8)
        assert len({item["PrivateIpAddress"] for item in made}) == 8
        network.terminate_all()
    network.ec2.delete_subnet(SubnetId=subnet)


def test_a_forgotten_instance_leaves_no_trace(network: Network) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": "c9"}]}]
    gone = network.run(TagSpecifications=tags)[0]
    network.ec2.terminate_instances(InstanceIds=[gone["InstanceId"]])
    network.cloud.emulator.compute.forget(age=timedelta(0))
    assert refusal(network.describe, instance_id=gone["InstanceId"]) == "InvalidInstanceID.NotFound"
    assert network.ec2.describe_tags(Filters=[{"Name": "value", "Values": ["c9"]}])["Tags"] == []


def test_console_output_is_what_the_node_wrote(network: Network) -> None:
    instance_id = network.run()[0]["InstanceId"]
    network.cloud.emulator.compute.set_console_output(instance_id, "cloud-init: up\n")
    assert network.ec2.get_console_output(InstanceId=instance_id)["Output"] == "cloud-init: up\n"
    assert refusal(network.ec2.get_console_output, InstanceId="i-00000000") == "InvalidInstanceID.NotFound"


def test_placement_groups_are_made_found_tagged_and_deleted(network: Network) -> None:
    ec2 = network.ec2
    tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "cluster", "Value": "c1"}]}]
    made = ec2.create_placement_group(GroupName="pg-a", Strategy="cluster", TagSpecifications=tags)["PlacementGroup"]
    ec2.create_placement_group(GroupName="pg-b", Strategy="spread")
    ec2.create_tags(Resources=[made["GroupId"]], Tags=[{"Key": "more", "Value": "x"}])
    found = ec2.describe_placement_groups(Filters=[{"Name": "tag:cluster", "Values": ["c*"]}])["PlacementGroups"]
    assert [(group["GroupName"], len(group["Tags"])) for group in found] == [("pg-a", 2)]
    listed = ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": ["placement-group"]}])["Tags"]
    assert {tag["Key"] for tag in listed} == {"cluster", "more"}
    by_kind = ec2.describe_placement_groups(Filters=[{"Name": "strategy", "Values": ["spread"]}])
    assert [group["GroupName"] for group in by_kind["PlacementGroups"]] == ["pg-b"]
    assert refusal(ec2.create_placement_group, GroupName="pg-a") == "InvalidPlacementGroup.Duplicate"
    assert refusal(ec2.describe_placement_groups, GroupNames=["none"]) == "InvalidPlacementGroup.Unknown"
    for name in ("pg-a", "pg-b"):
        ec2.delete_placement_group(GroupName=name)
    assert refusal(ec2.delete_placement_group, GroupName="pg-a") == "InvalidPlacementGroup.Unknown"
    assert ec2.describe_placement_groups()["PlacementGroups"] == []


def test_the_wrong_order_of_deletion_is_refused(network: Network) -> None:
    ec2 = network.ec2
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=network.vpc)
    public = [
        {"DeviceIndex": 0, "SubnetId": network.subnet, "Groups": [network.group], "AssociatePublicIpAddress": True}
    ]
    (instance,) = network.run(SubnetId=None, NetworkInterfaces=public)
    interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert refusal(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    assert refusal(ec2.delete_security_group, GroupId=network.group) == "DependencyViolation"
    assert refusal(ec2.delete_vpc, VpcId=network.vpc) == "DependencyViolation"
    detach = {"InternetGatewayId": gateway, "VpcId": network.vpc}
    assert refusal(ec2.detach_internet_gateway, **detach) == "DependencyViolation"
    assert refusal(ec2.delete_network_interface, NetworkInterfaceId=interface) == "InvalidParameterValue"
    network.terminate_all()
    ec2.detach_internet_gateway(**detach)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_a_group_that_another_group_names_is_kept(network: Network) -> None:
    ec2 = network.ec2
    other = ec2.create_security_group(GroupName="other", Description="d", VpcId=network.vpc)["GroupId"]
    rule = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}]
    ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=rule)
    assert refusal(ec2.delete_security_group, GroupId=other) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=network.group, IpPermissions=rule)
    ec2.delete_security_group(GroupId=other)


def sweep(cloud: Any) -> str:
    """Everything that EC2 lists and a VPC may leave behind, without what ends by itself."""
    ec2 = cloud.client("ec2")
    found: dict[str, list[str]] = {}
    for method, key, identity in [
        ("describe_vpcs", "Vpcs", "VpcId"),
        ("describe_subnets", "Subnets", "SubnetId"),
        ("describe_security_groups", "SecurityGroups", "GroupId"),
        ("describe_network_acls", "NetworkAcls", "NetworkAclId"),
        ("describe_route_tables", "RouteTables", "RouteTableId"),
        ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        ("describe_addresses", "Addresses", "AllocationId"),
        ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
        ("describe_volumes", "Volumes", "VolumeId"),
        ("describe_key_pairs", "KeyPairs", "KeyPairId"),
        ("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        ("describe_placement_groups", "PlacementGroups", "GroupId"),
        ("describe_tags", "Tags", "ResourceId"),
    ]:
        found[key] = sorted({item[identity] for item in getattr(ec2, method)()[key]})
    found["Tags"] = [item for item in found["Tags"] if not item.startswith(("i-", "nat-"))]
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    found["NatGateways"] = [item["NatGatewayId"] for item in gateways if item["State"] != "deleted"]
    return json.dumps(found)


def test_a_vpc_with_everything_leaves_nothing(network: Network) -> None:
    ec2, before = network.ec2, sweep(network.cloud)

    def tags(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "cluster", "Value": "c2"}]}]

    vpc = ec2.create_vpc(CidrBlock="127.2.0.0/16", TagSpecifications=tags("vpc"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.2.0.0/24", TagSpecifications=tags("subnet"))["Subnet"]
    subnet_id = subnet["SubnetId"]
    group = ec2.create_security_group(
        GroupName="g", Description="g", VpcId=vpc, TagSpecifications=tags("security-group")
    )["GroupId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway"))["InternetGateway"]
    gateway_id = gateway["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway_id)
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet_id)["AssociationId"]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip"))["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet_id, AllocationId=address)["NatGateway"]["NatGatewayId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=[table],
        TagSpecifications=tags("vpc-endpoint"),
    )["VpcEndpoint"]["VpcEndpointId"]
    ec2.import_key_pair(KeyName="c2", PublicKeyMaterial=KEY.encode(), TagSpecifications=tags("key-pair"))
    instances = network.run(
        SubnetId=subnet_id, SecurityGroupIds=[group], KeyName="c2", MaxCount=2, TagSpecifications=tags("volume")
    )
    assert sweep(network.cloud) != before

    ec2.terminate_instances(InstanceIds=[item["InstanceId"] for item in instances])
    ec2.delete_key_pair(KeyName="c2")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.release_address(AllocationId=address)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway_id)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet_id)
    ec2.delete_vpc(VpcId=vpc)
    assert sweep(network.cloud) == before


@pytest.mark.parametrize(
    ("name", "architecture"), [(DLAMI.format("x86_64"), "x86_64"), (DLAMI.format("arm64"), "arm64"), (UBUNTU, "arm64")]
)
def test_public_image_names_resolve_to_images_that_ec2_knows(network: Network, name: str, architecture: str) -> None:
    ssm = network.cloud.client("ssm")
    image_id = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    image = network.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    assert (image["Architecture"], image["OwnerId"] != network.cloud.emulator.account_id) == (architecture, True)


def test_parameters_of_both_kinds_are_answered_together(network: Network) -> None:
    ssm = network.cloud.client("ssm")
    ssm.put_parameter(Name="/mine", Value="v", Type="String")
    answer = ssm.get_parameters(Names=["/mine", UBUNTU, DLAMI.format("riscv")])
    assert [item["Name"] for item in answer["Parameters"]] == [UBUNTU, "/mine"]
    assert answer["InvalidParameters"] == [DLAMI.format("riscv")]
    assert refusal(ssm.get_parameter, Name="/none") == "ParameterNotFound"
    assert refusal(ssm.put_parameter, Name="/aws/mine", Value="v", Type="String") == "AccessDeniedException"
