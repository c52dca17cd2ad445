"""Templates of many kinds: they deploy as they say, and leave nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation import body

TEMPLATES = sorted((Path(__file__).parent / "templates").glob("*.yaml"))
ATTRIBUTES = {
    "efs": ["Files.FileSystemId", "TargetA.IpAddress", "Home.Arn", "Scratch.LustreMountName", "Scratch.DNSName"],
    "spot_fleet": [
        "Reserved.State",
        "Reserved.TotalInstanceCount",
        "More.PolicyName",
        "Evening.ScheduledActionName",
    ],
    "s3_iam": ["Reading.PolicyArn", "Robot.Arn", "RobotKey.SecretAccessKey"],
    "web_tier": ["Card.PrimaryPrivateIpAddress", "Card.VpcId", "Operators.TopicName", "Busy.Arn", "Worried.Arn"],
    "deep_learning": ["MasterQueue.QueueName", "WorkerQueue.Arn", "Topic.TopicArn"],
}
TAGS = [{"Key": "owner", "Value": "me"}]


def read(name: str) -> Any:
    return (Path(__file__).parent / "templates" / f"{name}.yaml").read_text()


def parameters(**values: str) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


@pytest.fixture
def deploy(account: Any) -> Any:
    """Create stacks; each is deleted afterwards, and nothing is left."""
    before, made = account.sweep(), []

    def create(name: str, template: Any, **options: Any) -> dict[str, Any]:
        stack = account.create(name, template, Tags=TAGS, **options)
        made.append(stack["StackId"])
        assert stack["StackStatus"] == "CREATE_COMPLETE", account.reasons(stack["StackId"])
        return {**stack, "Ids": account.resources(stack["StackId"])}

    yield create
    for stack_id in made:
        assert account.delete(stack_id)["StackStatus"] == "DELETE_COMPLETE", account.reasons(stack_id)
    assert account.sweep() == before


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_deploys_its_attributes_resolve_and_it_leaves_nothing(deploy: Any, account: Any, path: Path) -> None:
    template = body.load(path.read_text())
    for index, attribute in enumerate(ATTRIBUTES.get(path.stem, [])):
        template["Outputs"][f"Attribute{index}"] = {"Value": {"Fn::Sub": f"${{{attribute}}}"}}
    stack = deploy(path.stem.replace("_", "-"), template)
    declared = template["Resources"]
    without_condition = {name for name, item in declared.items() if "Condition" not in item}
    assert without_condition <= stack["Ids"].keys()
    assert len(stack["Outputs"]) == len(template["Outputs"])
    assert all(row["OutputValue"] not in ("", "None") for row in stack["Outputs"]), stack["Outputs"]


def test_stack_tags_and_own_tags_reach_every_new_kind(deploy: Any, account: Any) -> None:
    ids = {**deploy("files", read("efs"))["Ids"], **deploy("spot", read("spot_fleet"))["Ids"]}
    ids |= deploy("learning", read("deep_learning"))["Ids"]
    ids |= deploy("web", read("web_tier"))["Ids"]

    def tags_of(rows: list[dict[str, str]]) -> dict[str, str]:
        return {row["Key"]: row["Value"] for row in rows}

    budget = f"arn:aws:budgets::{account.emulator.account_id}:budget/{ids['Limit']}"
    scratch = account.client("fsx").describe_file_systems(FileSystemIds=[ids["Scratch"]])["FileSystems"][0]
    alarm = account.client("cloudwatch").describe_alarms(AlarmNames=[ids["Busy"]])["MetricAlarms"][0]["AlarmArn"]
    reserved = {"CapacityReservationIds": [ids["Reserved"]]}
    found = [
        (scratch["Tags"], "scratch"),
        (account.client("efs").list_tags_for_resource(ResourceId=ids["Files"])["Tags"], "files"),
        (account.client("efs").list_tags_for_resource(ResourceId=ids["Home"])["Tags"], "home"),
        (account.client("sns").list_tags_for_resource(ResourceArn=ids["Topic"])["Tags"], None),
        (account.client("cloudwatch").list_tags_for_resource(ResourceARN=alarm)["Tags"], None),
        (account.client("budgets").list_tags_for_resource(ResourceARN=budget)["ResourceTags"], None),
        (
            account.client("ec2").describe_capacity_reservations(**reserved)["CapacityReservations"][0]["Tags"],
            "reserved",
        ),
    ]
    for rows, own in found:
        assert tags_of(rows)["owner"] == "me"
        assert tags_of(rows).get("Name") == own
    assert account.client("sqs").list_queue_tags(QueueUrl=ids["MasterQueue"])["Tags"]["owner"] == "me"


def test_settings_and_tags_change_in_place(deploy: Any, account: Any) -> None:
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    changes: dict[str, dict[str, dict[str, Any]]] = {
        "efs": {
            "Files": {"LifecyclePolicies": [{"TransitionToIA": "AFTER_60_DAYS"}]},
            "TargetA": {"SecurityGroups": [{"Ref": "Servers"}, {"Ref": "Clients"}]},
            "Scratch": {"StorageCapacity": 2400},
        },
        "spot_fleet": {
            "More": {"ScalingAdjustment": 2},
            "Evening": {"MaxSize": 4},
            "Leaving": {"HeartbeatTimeout": 60},
            "Reserved": {"InstanceCount": 3},
            "Limit": {
                "Budget": {"BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": {"Amount": 9, "Unit": "USD"}}
            },
        },
        "s3_iam": {
            "Reading": {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}},
            "Robot": {"Policies": []},
            "RobotKey": {"Status": "Inactive"},
            "Refused": {"FilterPattern": "denied"},
        },
        "web_tier": {
            "Card": {"Description": "other"},
            "Busy": {"Threshold": 50},
            "Worried": {"AlarmDescription": "busy"},
            "Board": {"DashboardBody": '{"widgets": []}'},
            "Operators": {"DisplayName": "ops", "Subscription": []},
        },
        "deep_learning": {"MasterQueue": {"VisibilityTimeout": 90}, "Topic": {"DisplayName": "other"}},
    }
    for name, resources in changes.items():
        stack, template = deploy(name.replace("_", "-"), read(name)), body.load(read(name))
        for logical, properties in resources.items():
            template["Resources"][logical]["Properties"].update(properties)
        updated = account.update(stack["StackName"], template, Tags=[{"Key": "owner", "Value": "you"}])
        assert updated["StackStatus"] == "UPDATE_COMPLETE", (name, account.reasons(stack["StackId"]))
        assert account.resources(stack["StackId"]) == stack["Ids"], name
    group = account.resources("spot-fleet")["Fleet"]
    hooks = account.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    assert [(row["HeartbeatTimeout"], row["NotificationMetadata"]) for row in hooks] == [(60, "drain")]
    alarms = account.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert [row["AlarmDescription"] for row in alarms] == ["busy"]
    systems = account.client("fsx").describe_file_systems()["FileSystems"]
    assert [row["StorageCapacity"] for row in systems] == [2400]
    assert {"Key": "owner", "Value": "you"} in systems[0]["Tags"]
    assert account.client("budgets").describe_budgets(AccountId=account.emulator.account_id)["Budgets"][0][
        "BudgetLimit"
    ] == {"Amount": "9", "Unit": "USD"}


def test_a_policy_that_is_executed_scales_its_group(deploy: Any, account: Any) -> None:
    ids = deploy("executed", read("spot_fleet"))["Ids"]
    account.client("autoscaling").execute_policy(PolicyName=ids["More"])
    account.until(lambda: len(account.instances(ids["Fleet"])) == 3)


def test_a_launch_configuration_is_refused_as_for_every_new_account(account: Any) -> None:
    before = account.sweep()
    stack = account.create("old", read("deep_learning"), Parameters=parameters(LaunchConfigurations="true"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (
        "Launch Configuration creation operation is not available" in account.reasons(stack["StackId"])["Configuration"]
    )
    account.delete(stack["StackId"])
    assert account.sweep() == before


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("AWS::Lambda::Function", "no function runs here"),
        ("AWS::CloudFormation::Macro", "transforms are not run here"),
        ("AWS::CloudFormation::CustomResource", "no function runs here that could answer it"),
        ("Custom::Thing", "no function runs here that could answer it"),
        ("AWS::RDS::DBInstance", "is not supported by this endpoint"),
    ],
)
def test_what_cannot_run_here_is_refused_before_anything_is_made(account: Any, kind: str, reason: str) -> None:
    before = account.sweep()
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Other": {"Type": kind, "Properties": {}}}}
    with pytest.raises(ClientError, match=rf"{kind} \(resource Other\) is not supported by this endpoint") as caught:
        account.create("refused", template)
    assert reason in str(caught.value)
    assert account.sweep() == before


def test_what_a_condition_leaves_out_need_not_be_supported(deploy: Any, account: Any) -> None:
    assert "Function" not in deploy("without", read("deep_learning"))["Ids"]
    with pytest.raises(ClientError, match=r"AWS::Lambda::Function \(resource Function\)"):
        account.create("with", read("deep_learning"), Parameters=parameters(Functions="true"))


def test_an_endpoint_follows_its_subnets_and_names_nobody_unless_told(deploy: Any, account: Any) -> None:
    subnets = {
        name: {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.9.{number}.0/24",
                "AvailabilityZone": {"Fn::Select": [number, {"Fn::GetAZs": ""}]},
            },
        }
        for number, name in enumerate(["A", "B"])
    }
    properties: dict[str, Any] = {
        "VpcId": {"Ref": "Vpc"},
        "VpcEndpointType": "Interface",
        "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.ssm"},
        "SubnetIds": [{"Ref": "A"}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
    }
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        **subnets,
        "Endpoint": {"Type": "AWS::EC2::VPCEndpoint", "Properties": properties},
    }
    deploy("endpoint", {"Resources": resources})

    def shown() -> dict[str, Any]:
        (row,) = account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
        cards = account.client("ec2").describe_network_interfaces(NetworkInterfaceIds=row["NetworkInterfaceIds"])
        assert {card["SubnetId"] for card in cards["NetworkInterfaces"]} == set(row["SubnetIds"])
        return dict(row)

    before = shown()
    assert not before["PrivateDnsEnabled"]  # with it the creation had been refused: the VPC names no hosts
    assert '"Statement": []' in before["PolicyDocument"]
    properties["SubnetIds"] = [{"Ref": "B"}]
    del properties["PolicyDocument"]
    assert account.update("endpoint", {"Resources": resources})["StackStatus"] == "UPDATE_COMPLETE"
    after = shown()
    assert after["VpcEndpointId"] == before["VpcEndpointId"]
    assert after["SubnetIds"] != before["SubnetIds"]
    assert '"Action": "*"' in after["PolicyDocument"]


def test_a_vpc_has_its_options_until_others_take_over(deploy: Any, account: Any) -> None:
    template = body.load(read("options"))
    resources, ec2 = template["Resources"], account.client("ec2")
    ids = deploy("options", template)["Ids"]

    def vpc() -> dict[str, Any]:
        return dict(ec2.describe_vpcs(VpcIds=[ids["Vpc"]])["Vpcs"][0])

    def walls() -> dict[str, list[str]]:
        rows = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [ids["Vpc"]]}])["NetworkAcls"]
        return {row["NetworkAclId"]: [item["SubnetId"] for item in row["Associations"]] for row in rows}

    assert vpc()["DhcpOptionsId"] == ids["Names"]
    (options,) = ec2.describe_dhcp_options(DhcpOptionsIds=[ids["Names"]])["DhcpOptions"]
    told = {row["Key"]: [item["Value"] for item in row["Values"]] for row in options["DhcpConfigurations"]}
    assert (told["domain-name"], told["ntp-servers"]) == (["cluster.internal"], ["169.254.169.123"])
    assert {"Key": "Name", "Value": "names"} in options["Tags"]
    assert walls()[ids["Wall"]] == [ids["Subnet"]]
    (wall,) = ec2.describe_network_acls(NetworkAclIds=[ids["Wall"]])["NetworkAcls"]
    rules = {(row["Egress"], row["RuleNumber"]): row["RuleAction"] for row in wall["Entries"]}
    assert rules[False, 100] == rules[False, 110] == rules[True, 100] == "allow"
    assert rules[False, 32767] == rules[True, 32767] == "deny"
    for call, params in [
        ("delete_dhcp_options", {"DhcpOptionsId": ids["Names"]}),
        ("delete_network_acl", {"NetworkAclId": ids["Wall"]}),
    ]:
        with pytest.raises(ClientError, match="DependencyViolation"):
            getattr(ec2, call)(**params)

    resources["Names"]["Properties"]["DomainName"] = "other.internal"  # replaced, and the association moves over
    resources["In"]["Properties"]["PortRange"] = {"From": 443, "To": 443}
    resources["Key"]["Properties"]["EnableKeyRotation"] = False
    resources["Operators"]["Properties"]["Policies"] = []
    del resources["WallOfSubnet"], template["Outputs"]["Wall"]
    stack = account.update("options", template)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", account.reasons(stack["StackId"])
    now = account.resources(stack["StackId"])
    assert vpc()["DhcpOptionsId"] == now["Names"] != ids["Names"]
    assert [row["DhcpOptionsId"] for row in ec2.describe_dhcp_options()["DhcpOptions"]] == [now["Names"]]
    assert walls()[ids["Wall"]] == []
    assert [ids["Subnet"]] in walls().values()  # the default one has it again
    (wall,) = ec2.describe_network_acls(NetworkAclIds=[ids["Wall"]])["NetworkAcls"]
    assert [row["PortRange"]["From"] for row in wall["Entries"] if row.get("PortRange")] == [443]
    assert not account.client("kms").get_key_rotation_status(KeyId=ids["Key"])["KeyRotationEnabled"]
    assert account.client("iam").list_group_policies(GroupName=ids["Operators"])["PolicyNames"] == []
    account.delete(stack["StackId"])
    assert account.client("kms").describe_key(KeyId=ids["Key"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


@pytest.mark.parametrize(
    ("kind", "name"), [("Group", "GroupName"), ("User", "UserName"), ("ManagedPolicy", "ManagedPolicyName")]
)
def test_names_of_ones_own_in_iam_need_the_greater_capability(account: Any, kind: str, name: str) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    properties = {name: "mine", **({"PolicyDocument": document} if kind == "ManagedPolicy" else {})}
    template = {"Resources": {"One": {"Type": f"AWS::IAM::{kind}", "Properties": properties}}}
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"):
        account.begin("named", template)


def test_a_template_of_the_cdk_deploys(deploy: Any, account: Any) -> None:
    """With its rule on the bootstrap version, its condition on regions and its metadata."""
    version = "/cdk-bootstrap/hnb659fds/version"
    template = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Metadata": {"aws:cdk:path": "app/Topic/Resource"}},
            "CDKMetadata": {
                "Type": "AWS::CDK::Metadata",
                "Properties": {"Analytics": "v2:deflate64:H4sIAAA"},
                "Condition": "CDKMetadataAvailable",
            },
        },
        "Conditions": {
            "CDKMetadataAvailable": {
                "Fn::Or": [{"Fn::Equals": [{"Ref": "AWS::Region"}, name]} for name in ("eu-west-1", "us-east-1")]
            }
        },
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": version}},
        "Rules": {
            "CheckBootstrapVersion": {
                "Assertions": [
                    {
                        "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2", "3"], {"Ref": "BootstrapVersion"}]}]},
                        "AssertDescription": "CDK bootstrap stack version 6 required.",
                    }
                ]
            }
        },
    }
    account.client("ssm").put_parameter(Name=version, Value="21", Type="String")
    ids = deploy("cdk", template)["Ids"]
    assert set(ids) == {"Topic", "CDKMetadata"}
    template["Resources"]["CDKMetadata"]["Properties"]["Analytics"] = "v2:deflate64:other"
    assert account.update("cdk", template)["StackStatus"] == "UPDATE_COMPLETE"
    account.client("ssm").delete_parameter(Name=version)
    del template["Resources"]["CDKMetadata"]
    with pytest.raises(ClientError, match="Unable to fetch parameters"):
        account.update("cdk", template)
    account.client("ssm").put_parameter(Name=version, Value="2", Type="String")
    with pytest.raises(ClientError, match="CDK bootstrap stack version 6 required"):
        account.update("cdk", template)
    account.client("ssm").delete_parameter(Name=version)
