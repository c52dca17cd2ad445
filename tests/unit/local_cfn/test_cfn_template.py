"""Templates as text and as values: sections, references, intrinsic functions, AWS's messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlcluster.local.aws.cloudformation import body, template
from dlcluster.local.aws.cloudformation.intrinsics import NO_VALUE, UNKNOWN, Resolver, has_unknown
from dlcluster.local.aws.query import AwsError

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}


def parse(document: dict[str, Any]) -> template.Template:
    return template.parse(json.dumps(document))


def resources(**entries: Any) -> dict[str, Any]:
    return {"Resources": entries}


class Scope:
    """Resources and the world as a test sees them."""

    def ref(self, logical_id: str) -> Any:
        return {"Vpc": "vpc-1", "Later": UNKNOWN}[logical_id]

    def attribute(self, logical_id: str, name: str) -> Any:
        return UNKNOWN if logical_id == "Later" else f"{logical_id}/{name}"

    def zones(self, region: str) -> list[str]:
        return [f"{region}a", f"{region}b"]

    def imported(self, export: str) -> Any:
        return f"value of {export}"

    def secret(self, service: str, reference: str) -> str:
        return f"{service} {reference}"


def resolve(value: Any) -> Any:
    values = {
        "AWS::Region": "us-east-1",
        "AWS::NoValue": NO_VALUE,
        "Env": "prod",
        "Count": "3",
        "List": ["a", "b"],
    }
    conditions = {
        "Prod": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
        "Dev": {"Fn::Not": [{"Condition": "Prod"}]},
        "Both": {"Fn::And": [{"Condition": "Prod"}, {"Fn::Or": [{"Condition": "Dev"}, {"Condition": "Prod"}]}]},
    }
    mappings = {"Sizes": {"prod": {"type": "m5.large", "zones": ["x", "y"]}}}
    return Resolver(values, mappings, conditions, Scope()).resolve(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Env"}, "prod"),
        ({"Ref": "Vpc"}, "vpc-1"),
        ({"Fn::GetAtt": ["Vpc", "CidrBlock"]}, "Vpc/CidrBlock"),
        ({"Fn::GetAtt": "Vpc.CidrBlock"}, "Vpc/CidrBlock"),
        ({"Fn::Sub": "${Env}-${AWS::Region}-${Vpc.CidrBlock}-${!Literal}"}, "prod-us-east-1-Vpc/CidrBlock-${Literal}"),
        ({"Fn::Sub": ["${A}/${Env}", {"A": {"Ref": "Count"}}]}, "3/prod"),
        ({"Fn::Join": ["-", ["a", True, 1, {"Ref": "Env"}]]}, "a-true-1-prod"),
        ({"Fn::Join": [",", {"Ref": "List"}]}, "a,b"),
        ({"Fn::Select": ["1", {"Fn::Split": [".", "10.20.30"]}]}, "20"),
        ({"Fn::If": ["Prod", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Dev", "yes", "no"]}, "no"),
        ({"Fn::If": ["Both", {"Ref": "Env"}, "no"]}, "prod"),
        ({"A": {"Fn::If": ["Dev", 1, {"Ref": "AWS::NoValue"}]}, "B": 2}, {"B": 2}),
        (["a", {"Ref": "AWS::NoValue"}, "b"], ["a", "b"]),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Env"}, "type"]}, "m5.large"),
        ({"Fn::GetAZs": ""}, ["us-east-1a", "us-east-1b"]),
        ({"Fn::GetAZs": "eu-west-1"}, ["eu-west-1a", "eu-west-1b"]),
        ({"Fn::Base64": {"Fn::Sub": "${Env}"}}, "cHJvZA=="),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Cidr": ["10.0.0.0/22", "4", "8"]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]),
        ({"Fn::ImportValue": {"Fn::Sub": "${Env}-net"}}, "value of prod-net"),
        ("a {{resolve:ssm:/x/y:2}}", "a ssm /x/y:2"),
        ({"Condition": {"StringEquals": {"aws:x": "y"}}}, {"Condition": {"StringEquals": {"aws:x": "y"}}}),
    ],
)
def test_intrinsic_functions_give_plain_values(value: Any, expected: Any) -> None:
    assert resolve(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Later"},
        {"Fn::Sub": "x${Later.Arn}"},
        {"Fn::Join": ["", ["a", {"Ref": "Later"}]]},
        {"Fn::Select": [0, {"Fn::Split": [",", {"Ref": "Later"}]}]},
        {"Fn::Base64": {"Ref": "Later"}},
        {"Fn::Cidr": [{"Fn::GetAtt": ["Later", "CidrBlock"]}, 1, 8]},
        {"A": [{"B": {"Ref": "Later"}}]},
    ],
)
def test_what_needs_an_unmade_resource_is_unknown(value: Any) -> None:
    assert has_unknown(resolve(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::Select": [5, ["a"]]}, "Fn::Select cannot select nonexistent value at index 5"),
        ({"Fn::Join": ["a"]}, "every Fn::Join object requires two parameters"),
        ({"Fn::FindInMap": ["None", "a", "b"]}, "Mapping named 'None' is not present in the 'Mappings' section"),
        ({"Fn::FindInMap": ["Sizes", "dev", "type"]}, "Unable to get mapping for Sizes::dev::type"),
        ({"Fn::Sub": ["a"]}, "One or more Fn::Sub intrinsic functions don't specify expected arguments"),
        ({"Fn::Cidr": ["10.0.0.0/24", 2, 9]}, "Fn::Cidr cannot generate 2 CIDRs from 10.0.0.0/24"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "Transforms are not supported"),
        ({"Fn::Bogus": 1}, "encountered unsupported function: Fn::Bogus"),
    ],
)
def test_misused_functions_are_refused_in_awss_words(value: Any, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        resolve(value)
    assert caught.value.code == "ValidationError"
    assert message in caught.value.message


def test_yaml_short_forms_are_the_long_ones() -> None:
    document = body.load("""
AWSTemplateFormatVersion: 2010-09-09
A: !Ref Vpc
B: !GetAtt Vpc.CidrBlock
C: !Sub '${Vpc}-x'
D: !Join [',', [a, !Ref Vpc]]
E: !If [Prod, !Condition Other, 2]
F: !Select
  - 0
  - !Split [',', 'a,b']
""")
    assert document["AWSTemplateFormatVersion"] == "2010-09-09"
    assert document["A"] == {"Ref": "Vpc"}
    assert document["B"] == {"Fn::GetAtt": ["Vpc", "CidrBlock"]}
    assert document["C"] == {"Fn::Sub": "${Vpc}-x"}
    assert document["D"] == {"Fn::Join": [",", ["a", {"Ref": "Vpc"}]]}
    assert document["E"] == {"Fn::If": ["Prod", {"Condition": "Other"}, 2]}
    assert document["F"] == {"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"Resources": {,}}', "Template format error: JSON not well-formed. (line 1, column 16)"),
        ("Resources:\n  A: [", "Template format error: YAML not well-formed. (line 3, column 1)"),
        ("A: !Bogus x", "Template format error: YAML not well-formed. (line 1, column 4)"),
        ("just text", "Template format error: unsupported structure."),
    ],
)
def test_malformed_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        template.parse(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"Resources": {}}, "Template format error: At least one Resources member must be defined."),
        ({"Resource": {"A": VPC}}, "Invalid template property or properties [Resource]"),
        (
            resources(A={"Properties": {}}),
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        (
            resources(A={"Type": "AWS::EC2::Nope"}),
            "Template format error: Unrecognized resource types: [AWS::EC2::Nope]",
        ),
        (resources(A={**VPC, "Propertys": {}}), "Invalid template resource property 'Propertys'"),
        (
            resources(A=VPC, B={"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Nobody"}}}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
        ),
        (
            resources(A={**VPC, "DependsOn": "Nobody"}),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
        ),
        (
            {**resources(A=VPC), "Outputs": {"O": {"Value": {"Fn::Sub": "${Nobody}"}}}},
            "Template format error: Unresolved resource dependencies [Nobody] in the Outputs block of the template",
        ),
        (
            {**resources(A=VPC), "Outputs": {"O": {"Value": {"Fn::GetAtt": ["Nobody", "Arn"]}}}},
            "Template error: instance of Fn::GetAtt references undefined resource Nobody",
        ),
        (
            {**resources(A=VPC), "Outputs": {"O": {"Value": {"Fn::GetAtt": ["A", "Arn"]}}}},
            "Template error: resource A does not support attribute type Arn in Fn::GetAtt",
        ),
        (
            resources(A={**VPC, "Condition": "Nobody"}),
            "Template format error: Unresolved condition dependency Nobody in the Resources block of the template",
        ),
        (
            resources(A={**VPC, "DependsOn": "B"}, B={**VPC, "DependsOn": ["C"]}, C={**VPC, "DependsOn": "B"}),
            "Circular dependency between resources: [B, C]",
        ),
        (
            resources(A={**VPC, "DeletionPolicy": "Snapshot"}),
            "Template error: resource type AWS::EC2::VPC does not support deletion policy Snapshot",
        ),
        (
            resources(A={**VPC, "CreationPolicy": {"ResourceSignal": {}}}),
            "CreationPolicy is not supported for resource type AWS::EC2::VPC (resource A)",
        ),
        ({**resources(A=VPC), "Transform": "AWS::Serverless-2016-10-31"}, "Transforms are not supported"),
        (
            resources(**{f"A{number}": VPC for number in range(501)}),
            "Template format error: Number of resources, 501, is greater than maximum allowed, 500",
        ),
    ],
)
def test_wrong_templates_are_refused_in_awss_words(document: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError) as caught:
        parse(document)
    assert caught.value.code == "ValidationError"
    assert message in caught.value.message


def test_dependencies_come_first_and_ties_keep_the_templates_order() -> None:
    assert template.order({"A": {"C"}, "B": set(), "C": {"B"}, "D": set()}) == ["B", "D", "C", "A"]


def test_every_supported_type_has_its_schema_and_the_baked_file_is_fresh() -> None:
    import runpy
    from pathlib import Path

    from dlcluster.local.aws.cloudformation.schema import SCHEMAS
    from dlcluster.local.aws.cloudformation.types import KINDS

    for name, kind in KINDS.items():
        allowed = set((SCHEMAS[name].tree or {}).get("p", {}))
        assert kind.properties <= allowed, name
        assert kind.mutable <= kind.properties, name
    script = Path(__file__).parents[3] / "scripts" / "bake_schemas.py"
    bake = runpy.run_path(str(script))["bake"]
    data = json.loads((Path(body.__file__).parent / "schemas.json").read_text())
    assert bake("AWS::EC2::VPC") == data["types"]["AWS::EC2::VPC"]
    assert data["types"].keys() == KINDS.keys()
