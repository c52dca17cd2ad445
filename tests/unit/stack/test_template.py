"""The CloudFormation template as values: what is in it for which cluster file."""

from __future__ import annotations

import json
import re

import pytest

from dlcluster import catalog
from dlcluster.checks.images import SETUP_LIMIT
from dlcluster.config import default_cluster, parse_cluster
from dlcluster.config.ranges import subnets
from dlcluster.stack import build_template, parameters, stack_tags, to_json, user_data
from dlcluster.stack.interfaces import Interface, efa_interfaces, same_layout
from dlcluster.stack.userdata import LIMIT

AWS = "cloud: aws\nnetwork: {ssh_from: [203.0.113.7/32]}\n"


def _template(text: str = ""):
    return build_template(parse_cluster(text))


def _launch(template, role: str):
    return template["Resources"][f"{role}LaunchTemplate"]["Properties"]["LaunchTemplateData"]


def _properties(template, name: str):
    return template["Resources"][name]["Properties"]


def test_the_same_cluster_gives_the_same_text():
    assert to_json(_template(AWS)) == to_json(_template(AWS))


def test_the_name_is_in_the_parameters_and_tags_alone():
    one, other = default_cluster("one"), default_cluster("two")
    first, second = build_template(one), build_template(other)
    assert first["Parameters"].pop("ClusterName")["Default"] == "one"
    assert second["Parameters"].pop("ClusterName")["Default"] == "two"
    assert first == second


def test_every_parameter_has_a_value_and_a_label():
    config = parse_cluster("cloud: aws\nnetwork: {ssh_from: [203.0.113.7, 198.51.100.0/24], zone: us-east-1b}")
    template = build_template(config)
    values = parameters(config, public_key="ssh-ed25519 AAAA", vpc_cidr="10.0.0.0/16")
    assert set(values) == set(template["Parameters"])
    assert (values["SshCidr1"], values["SshCidr2"]) == ("203.0.113.7/32", "198.51.100.0/24")
    assert (values["Zone"], values["WorkerCount"]) == ("us-east-1b", "2")
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(values)
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], values[name])


def test_the_outputs_are_those_that_the_toolkit_reads():
    assert {"BucketName", "VpcId", "HeadInstanceId", "WorkerGroupName"} <= set(_template()["Outputs"])


@pytest.mark.parametrize(
    ("image", "kind", "value"),
    [
        ("ami-0123456789abcdef0", "AWS::EC2::Image::Id", "ami-0123456789abcdef0"),
        ("ssm:/my/image", "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "/my/image"),
        (
            "ubuntu",
            "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            catalog.image("ubuntu").ssm_parameter,
        ),
    ],
)
def test_an_image_is_an_ami_or_a_parameter(image, kind, value):
    config = parse_cluster(f"image: {image}")
    assert build_template(config)["Parameters"]["ImageId"]["Type"] == kind
    assert parameters(config, public_key="k", vpc_cidr="127.1.0.0/16")["ImageId"] == value


def test_ssh_is_open_to_the_given_ranges_and_to_nobody_else():
    template = _template("cloud: aws\nnetwork: {ssh_from: [203.0.113.7, 198.51.100.0/24]}")
    rules = _properties(template, "HeadSecurityGroup")["SecurityGroupIngress"]
    assert [(rule["FromPort"], rule["ToPort"], rule["CidrIp"]["Ref"]) for rule in rules] == [
        (22, 22, "SshCidr1"),
        (22, 22, "SshCidr2"),
    ]
    assert "SecurityGroupIngress" not in _properties(template, "WorkerSecurityGroup")
    sources = {
        name: resource["Properties"]["SourceSecurityGroupId"]["Fn::GetAtt"][0]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::EC2::SecurityGroupIngress"
    }
    assert sources == {
        "WorkerFromHead": "HeadSecurityGroup",
        "HeadFromWorker": "WorkerSecurityGroup",
        "WorkerFromWorker": "WorkerSecurityGroup",
    }


def test_efa_traffic_to_the_group_itself_may_go_out():
    egress = _properties(_template(), "WorkerToWorker")
    assert egress["GroupId"] == egress["DestinationSecurityGroupId"]
    assert egress["IpProtocol"] == "-1"


def test_without_ranges_nobody_gets_in_on_aws_and_loopback_does_on_local():
    assert _properties(_template("cloud: aws"), "HeadSecurityGroup").get("SecurityGroupIngress", []) == []
    values = parameters(default_cluster(), public_key="k", vpc_cidr="127.1.0.0/16")
    assert values["SshCidr1"] == "127.0.0.0/8"


def test_a_node_may_tag_itself_with_two_keys_and_write_its_jobs_alone():
    policies = {
        policy["PolicyName"]: policy["PolicyDocument"]["Statement"]
        for policy in _properties(_template(), "NodeRole")["Policies"]
    }
    [tags] = policies["own-tags"]
    assert tags["Action"] == "ec2:CreateTags"
    assert tags["Resource"]["Fn::Sub"].endswith(":instance/*")
    assert tags["Condition"] == {
        "StringLike": {"aws:userid": "*:${ec2:InstanceID}"},
        "StringEquals": {"aws:ResourceTag/dlcluster:cluster": {"Ref": "ClusterName"}},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["dlcluster:host-key", "dlcluster:state"]},
    }
    writes = [s for s in policies["bucket"] if "s3:PutObject" in s["Action"]]
    assert [s["Resource"] for s in writes] == [{"Fn::Sub": "${Bucket.Arn}/jobs/*"}]
    assert "ManagedPolicyArns" not in _properties(_template(), "NodeRole")
    actions = [s["Action"] for statements in policies.values() for s in statements]
    assert "*" not in json.dumps(actions)


@pytest.mark.parametrize("role", ["Head", "Worker"])
def test_nodes_need_imdsv2_and_have_encrypted_disks_and_tags(role):
    data = _launch(_template("head: {disk_gib: 120}\nworkers: {disk_gib: 120}"), role)
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    [disk] = data["BlockDeviceMappings"]
    assert disk["Ebs"] == {"VolumeSize": 120, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    tagged = {spec["ResourceType"]: {t["Key"]: t["Value"] for t in spec["Tags"]} for spec in data["TagSpecifications"]}
    assert set(tagged) == {"instance", "volume", "network-interface"}
    for tags in tagged.values():
        assert tags["dlcluster:cluster"] == {"Ref": "ClusterName"}
        assert tags["dlcluster:role"] == role.lower()


def test_the_workers_are_a_group_of_fixed_size_in_the_private_subnet():
    group = _properties(_template(), "Workers")
    assert group["MinSize"] == group["MaxSize"] == group["DesiredCapacity"] == {"Ref": "WorkerCount"}
    assert group["VPCZoneIdentifier"] == [{"Ref": "PrivateSubnet"}]
    assert group["LaunchTemplate"]["Version"] == {"Fn::GetAtt": ["WorkerLaunchTemplate", "LatestVersionNumber"]}
    assert all(tag["PropagateAtLaunch"] for tag in group["Tags"])
    assert "PlacementGroup" not in group


def test_spot_workers_are_asked_for_as_spot_and_the_head_is_not():
    template = _template("workers: {spot: true}")
    assert _launch(template, "Worker")["InstanceMarketOptions"]["MarketType"] == "spot"
    assert "InstanceMarketOptions" not in _launch(template, "Head")
    assert "InstanceMarketOptions" not in _launch(_template(), "Worker")


def test_efa_workers_have_interfaces_with_groups_inside_and_a_placement_group():
    template = _template("workers: {type: p5.48xlarge, count: 2}")
    data = _launch(template, "Worker")
    assert "SecurityGroupIds" not in data
    assert len(data["NetworkInterfaces"]) == 33
    assert all(interface["Groups"] == [{"Ref": "WorkerSecurityGroup"}] for interface in data["NetworkInterfaces"])
    assert _properties(template, "Workers")["PlacementGroup"] == {"Ref": "PlacementGroup"}
    assert _properties(template, "PlacementGroup") == {"Strategy": "cluster"}
    assert template["Parameters"]["WorkerType"]["AllowedValues"] == ["p5.48xlarge", "p5e.48xlarge"]


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("g6.8xlarge", [Interface(0, 0, "efa")]),
        ("p4d.24xlarge", [Interface(0, 0, "interface"), *(Interface(card, 1, "efa-only") for card in range(4))]),
        ("p5en.48xlarge", [Interface(0, 0, "interface"), *(Interface(card, 1, "efa-only") for card in range(16))]),
        ("p6-b300.48xlarge", [Interface(0, 0, "interface"), *(Interface(c, 1, "efa-only") for c in range(1, 17))]),
    ],
)
def test_the_interface_layout_of_a_type(name, layout):
    assert efa_interfaces(catalog.instance_type(name)) == layout


def test_every_efa_type_uses_all_its_efa_interfaces():
    for name, kind in catalog.instance_types().items():
        if kind.efa:
            layout = efa_interfaces(kind)
            assert sum(interface.kind != "interface" for interface in layout) == kind.efa_interfaces, name
            assert len({(interface.card, interface.device) for interface in layout}) == len(layout)
            assert name in same_layout(kind)


@pytest.mark.parametrize(
    ("keep", "deleted", "replaced"), [("false", "Delete", "Delete"), ("true", "RetainExceptOnCreate", "Retain")]
)
def test_the_bucket_is_private_encrypted_and_kept_when_asked(keep, deleted, replaced):
    template = _template(f"bucket: {{keep: {keep}, expire_days: 7}}")
    bucket = template["Resources"]["Bucket"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (deleted, replaced)
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketName" not in bucket["Properties"]
    rules = {rule["Id"]: rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert (rules["expire-bundles"]["Prefix"], rules["expire-bundles"]["ExpirationInDays"]) == ("bundles/", 7)
    [deny] = _properties(template, "BucketPolicy")["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.4.0.0/20", "10.4.0.64/26"])
def test_the_subnets_are_cut_as_the_checks_expect(cidr):
    template = _template(f"cloud: aws\nnetwork: {{vpc_cidr: {cidr}}}")
    for side, expected in zip(("Public", "Private"), subnets(cidr), strict=True):
        index, cut = _properties(template, f"{side}Subnet")["CidrBlock"]["Fn::Select"]
        count, bits = cut["Fn::Cidr"][1:]
        assert index < count
        assert 32 - bits == expected.prefixlen
    assert not re.fullmatch(template["Parameters"]["VpcCidr"]["AllowedPattern"], "10.0.0.0/12")


def _boot_text(template, role: str, name: str) -> str:
    """What CloudFormation makes of the user data: the joins, the mapping and the one substitution done by hand."""
    header, (separator, inner) = [], _launch(template, role)["UserData"]["Fn::Base64"]["Fn::Join"]
    assert separator == "\n"
    for part in inner:
        if isinstance(part, str):
            header.append(part)
        elif "Fn::Sub" in part:
            header.append(part["Fn::Sub"].replace("${ClusterName}", name))
        else:
            assert part == {"Fn::Join": ["\n", {"Fn::FindInMap": ["Boot", "Script", "Lines"]}]}
            header.append("\n".join(template["Mappings"]["Boot"]["Script"]["Lines"]))
    return "\n".join(header)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_the_template_yields_the_user_data(role):
    config = parse_cluster("name: demo\nsetup: ['echo \"a\\b\" ${HOME} é', '']")
    assert _boot_text(build_template(config), role.capitalize(), "demo") == user_data(config, role)


def test_user_data_and_template_fit_with_the_longest_setup_and_most_interfaces():
    lines = ", ".join(["'echo " + "x" * 11 + "'"] * (SETUP_LIMIT // 17))
    config = parse_cluster(f"name: {'n' * 31}\nworkers: {{type: p5.48xlarge, count: 2}}\nsetup: [{lines}]")
    assert len(user_data(config, "worker").encode()) <= LIMIT
    assert len(to_json(build_template(config)).encode()) <= 51_200


def test_the_stack_is_tagged_with_cluster_and_the_users_tags():
    config = parse_cluster("name: demo\ntags: {team: vision}")
    assert stack_tags(config) == {"team": "vision", "dlcluster:cluster": "demo"}


def test_every_reference_exists():
    template = _template("workers: {type: p5.48xlarge, count: 2}\ncloud: aws\nnetwork: {ssh_from: [1.2.3.4]}")
    known = {*template["Resources"], *template["Parameters"]}
    text = json.dumps(template)
    for name in [*re.findall(r'"Ref": "([A-Za-z0-9]+)"', text), *re.findall(r'"Fn::GetAtt": \["(\w+)"', text)]:
        assert name in known


@pytest.mark.parametrize("role", ["Head", "Worker"])
def test_the_users_tags_reach_instances_disks_and_interfaces(role):
    for spec in _launch(_template("tags: {team: vision, Name: mine}"), role)["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
        assert tags["team"] == "vision"
        assert tags["Name"] == {"Fn::Sub": f"dlcluster-${{ClusterName}}-{role.lower()}"}
