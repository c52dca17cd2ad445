"""Security groups, their rules, and key pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation.types.base import Failed, Kind, Step, missing_is_fine, names
from dlcluster.local.aws.cloudformation.types.ec2_tags import retag, tagged

_RULE = "IpProtocol FromPort ToPort Description"
EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of a template as the API's IpPermission. Raises Failed for a rule without a peer."""
    found: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    for port in ("FromPort", "ToPort"):
        if port in rule:
            found[port] = rule[port]
    note = {"Description": rule["Description"]} if "Description" in rule else {}
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    prefix = rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId")
    if "CidrIp" in rule:
        found["IpRanges"] = [{"CidrIp": rule["CidrIp"], **note}]
    if "CidrIpv6" in rule:
        found["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **note}]
    if group or "SourceSecurityGroupName" in rule:
        pair = {"GroupId": group} if group else {"GroupName": rule["SourceSecurityGroupName"]}
        if "SourceSecurityGroupOwnerId" in rule:
            pair["UserId"] = rule["SourceSecurityGroupOwnerId"]
        found["UserIdGroupPairs"] = [{**pair, **note}]
    if prefix:
        found["PrefixListIds"] = [{"PrefixListId": prefix, **note}]
    if len(found.keys() & {"IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"}) != 1:
        raise Failed("Exactly one of CidrIp, CidrIpv6, a security group and a prefix list must be specified")
    return found


class SecurityGroup(Kind):
    name = "AWS::EC2::SecurityGroup"
    properties = names("GroupDescription GroupName VpcId SecurityGroupIngress SecurityGroupEgress Tags")
    mutable = names("SecurityGroupIngress SecurityGroupEgress Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "ec2",
            "create_security_group",
            GroupName=x.get("GroupName") or x.unique_name(),
            Description=x.get("GroupDescription"),
            VpcId=x.get("VpcId"),
            TagSpecifications=tagged(x, "security-group"),
        )
        x.made(answer["GroupId"])
        self._rules(x, "ingress", [], self._wanted(x.properties, "SecurityGroupIngress"))
        if x.get("SecurityGroupEgress"):
            self._rules(x, "egress", [EVERYTHING], self._wanted(x.properties, "SecurityGroupEgress"))

    def _wanted(self, properties: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        return [permission(rule) for rule in properties.get(name) or []]

    def _rules(self, x: Step, side: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
        gone = [rule for rule in old if rule not in new]
        fresh = [rule for rule in new if rule not in old]
        if gone:
            with missing_is_fine():
                x.call("ec2", f"revoke_security_group_{side}", GroupId=x.physical_id, IpPermissions=gone)
        for rule in fresh:
            try:
                x.call("ec2", f"authorize_security_group_{side}", GroupId=x.physical_id, IpPermissions=[rule])
            except ClientError as error:  # a rollback meets what a failed update had not removed
                if not x.old or error.response["Error"]["Code"] != "InvalidPermission.Duplicate":
                    raise

    def update(self, x: Step) -> None:
        for side, name in (("ingress", "SecurityGroupIngress"), ("egress", "SecurityGroupEgress")):
            if name in x.changed:
                default = [EVERYTHING] if side == "egress" else []
                old, new = self._wanted(x.old, name), self._wanted(x.properties, name)
                self._rules(x, side, old or default, new or default)
        if "Tags" in x.changed:
            retag(x, x.physical_id)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_security_group", GroupId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name in ("GroupId", "Id"):
            return x.physical_id
        if name in ("VpcId", "GroupName"):
            found = x.call("ec2", "describe_security_groups", GroupIds=[x.physical_id])["SecurityGroups"]
            return found[0][name]
        return super().attribute(x, name)


class SecurityGroupIngress(Kind):
    name = "AWS::EC2::SecurityGroupIngress"
    properties = names(
        f"{_RULE} GroupId GroupName CidrIp CidrIpv6 SourceSecurityGroupId SourceSecurityGroupName "
        "SourceSecurityGroupOwnerId SourcePrefixListId"
    )
    mutable = names("Description")
    side = "ingress"

    def create(self, x: Step) -> None:
        group = x.only("GroupId", "GroupName")
        request = {**group, "IpPermissions": [permission(x.properties)]}
        answer = x.call("ec2", f"authorize_security_group_{self.side}", **request)
        rules = answer.get("SecurityGroupRules") or [{}]
        x.made(rules[0].get("SecurityGroupRuleId") or x.unique_name(), request=request)

    def update(self, x: Step) -> None:
        request = {**x.only("GroupId", "GroupName"), "IpPermissions": [permission(x.properties)]}
        x.call("ec2", f"update_security_group_rule_descriptions_{self.side}", **request)
        x.memo["request"] = request

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", f"revoke_security_group_{self.side}", **x.memo["request"])

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None


class SecurityGroupEgress(SecurityGroupIngress):
    name = "AWS::EC2::SecurityGroupEgress"
    properties = names(f"{_RULE} GroupId CidrIp CidrIpv6 DestinationSecurityGroupId DestinationPrefixListId")
    side = "egress"


class KeyPair(Kind):
    """With PublicKeyMaterial the key is imported; else EC2 makes it, and the parameter store keeps the secret."""

    name = "AWS::EC2::KeyPair"
    properties = names("KeyName KeyType KeyFormat PublicKeyMaterial Tags")

    def create(self, x: Step) -> None:
        tags = tagged(x, "key-pair")
        material = x.get("PublicKeyMaterial")
        if material:
            request = {"KeyName": x.get("KeyName"), "PublicKeyMaterial": str(material).encode()}
            answer = x.call("ec2", "import_key_pair", **request, TagSpecifications=tags)
            x.made(answer["KeyName"], **{name: answer[name] for name in ("KeyPairId", "KeyFingerprint")})
            return
        answer = x.call("ec2", "create_key_pair", **x.only("KeyName", "KeyType", "KeyFormat"), TagSpecifications=tags)
        x.made(answer["KeyName"], **{name: answer[name] for name in ("KeyPairId", "KeyFingerprint")})
        parameter = f"/ec2/keypair/{answer['KeyPairId']}"
        x.memo["Parameter"] = parameter
        x.call("ssm", "put_parameter", Name=parameter, Type="SecureString", Value=answer["KeyMaterial"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("ec2", "delete_key_pair", KeyName=x.physical_id)
        if "Parameter" in x.memo:
            with missing_is_fine():
                x.call("ssm", "delete_parameter", Name=x.memo["Parameter"])

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)
