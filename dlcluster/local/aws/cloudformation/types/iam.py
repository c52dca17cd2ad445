"""Roles, instance profiles and policies."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags, tag_list


def _inline(properties: dict[str, Any]) -> dict[str, Any]:
    return {item["PolicyName"]: item["PolicyDocument"] for item in properties.get("Policies") or []}


class Role(Kind):
    name = "AWS::IAM::Role"
    properties = names(
        "RoleName AssumeRolePolicyDocument Path Description MaxSessionDuration PermissionsBoundary Policies "
        "ManagedPolicyArns Tags"
    )
    mutable = properties - names("RoleName Path")

    def create(self, x: Step) -> None:
        answer = x.call(
            "iam",
            "create_role",
            RoleName=x.get("RoleName") or x.unique_name(64),
            **x.only("AssumeRolePolicyDocument", "Path", "Description", "MaxSessionDuration", "PermissionsBoundary"),
            Tags=tag_list(x.tags) or None,
        )
        role = answer["Role"]
        x.made(role["RoleName"], Arn=role["Arn"], RoleId=role["RoleId"])
        self._policies(x, {}, set())

    def _policies(self, x: Step, old: dict[str, Any], attached: set[str]) -> None:
        role, new, wanted = x.physical_id, _inline(x.properties), set(x.get("ManagedPolicyArns") or [])
        for arn in sorted(wanted - attached):
            x.call("iam", "attach_role_policy", RoleName=role, PolicyArn=arn)
        for arn in sorted(attached - wanted):
            with missing_is_fine():
                x.call("iam", "detach_role_policy", RoleName=role, PolicyArn=arn)
        for name, document in new.items():
            if old.get(name) != document:
                x.call("iam", "put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=document)
        for name in sorted(old.keys() - new.keys()):
            with missing_is_fine():
                x.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)

    def update(self, x: Step) -> None:
        role = x.physical_id
        if "AssumeRolePolicyDocument" in x.changed:
            document = x.get("AssumeRolePolicyDocument")
            x.call("iam", "update_assume_role_policy", RoleName=role, PolicyDocument=document)
        if x.changed & names("Description MaxSessionDuration"):
            session = x.get("MaxSessionDuration", 3600)
            x.call(
                "iam", "update_role", RoleName=role, Description=x.get("Description", ""), MaxSessionDuration=session
            )
        if "PermissionsBoundary" in x.changed:
            boundary = x.get("PermissionsBoundary")
            operation = "put_role_permissions_boundary" if boundary else "delete_role_permissions_boundary"
            x.call("iam", operation, RoleName=role, PermissionsBoundary=boundary)
        if x.changed & names("Policies ManagedPolicyArns"):
            self._policies(x, _inline(x.old), set(x.old.get("ManagedPolicyArns") or []))
        if "Tags" in x.changed:
            if removed_tags(x):
                x.call("iam", "untag_role", RoleName=role, TagKeys=removed_tags(x))
            if x.tags:
                x.call("iam", "tag_role", RoleName=role, Tags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        """A role must be empty first; policies of other resources of the stack are theirs to remove."""
        role = x.physical_id
        with missing_is_fine():
            for item in x.call("iam", "list_attached_role_policies", RoleName=role)["AttachedPolicies"]:
                x.call("iam", "detach_role_policy", RoleName=role, PolicyArn=item["PolicyArn"])
            for name in x.call("iam", "list_role_policies", RoleName=role)["PolicyNames"]:
                x.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)
            x.call("iam", "delete_role", RoleName=role)

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)


class InstanceProfile(Kind):
    name = "AWS::IAM::InstanceProfile"
    properties = names("InstanceProfileName Path Roles")
    mutable = names("Roles")

    def create(self, x: Step) -> None:
        answer = x.call(
            "iam",
            "create_instance_profile",
            InstanceProfileName=x.get("InstanceProfileName") or x.unique_name(128),
            **x.only("Path"),
        )
        profile = answer["InstanceProfile"]
        x.made(profile["InstanceProfileName"], Arn=profile["Arn"])
        for role in x.get("Roles"):
            x.call("iam", "add_role_to_instance_profile", InstanceProfileName=x.physical_id, RoleName=role)

    def update(self, x: Step) -> None:
        self._empty(x)
        for role in x.get("Roles"):
            x.call("iam", "add_role_to_instance_profile", InstanceProfileName=x.physical_id, RoleName=role)

    def _empty(self, x: Step) -> None:
        profile = x.physical_id
        found = x.call("iam", "get_instance_profile", InstanceProfileName=profile)["InstanceProfile"]
        for role in found["Roles"]:
            x.call(
                "iam",
                "remove_role_from_instance_profile",
                InstanceProfileName=profile,
                RoleName=role["RoleName"],
            )

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            self._empty(x)
            x.call("iam", "delete_instance_profile", InstanceProfileName=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)


class Policy(Kind):
    """An inline policy put into roles, users and groups. memo["places"]: where it is."""

    name = "AWS::IAM::Policy"
    properties = mutable = names("PolicyName PolicyDocument Roles Users Groups")

    def _places(self, properties: dict[str, Any]) -> list[tuple[str, str, str]]:
        policy = properties["PolicyName"]
        owners = (("role", "Roles"), ("user", "Users"), ("group", "Groups"))
        return [(kind, owner, policy) for kind, name in owners for owner in properties.get(name) or []]

    def _put(self, x: Step, place: tuple[str, str, str]) -> None:
        kind, owner, policy = place
        request = {f"{kind.title()}Name": owner, "PolicyName": policy, "PolicyDocument": x.get("PolicyDocument")}
        x.call("iam", f"put_{kind}_policy", **request)
        x.memo.setdefault("places", [])
        if place not in x.memo["places"]:
            x.memo["places"].append(place)

    def _drop(self, x: Step, place: tuple[str, str, str]) -> None:
        kind, owner, policy = place
        with missing_is_fine():
            x.call("iam", f"delete_{kind}_policy", **{f"{kind.title()}Name": owner, "PolicyName": policy})
        x.memo["places"].remove(place)

    def create(self, x: Step) -> None:
        places = self._places(x.properties)
        name = x.unique_name()
        for place in places:
            self._put(x, place)
            x.made(name)
        if not places:
            x.made(name, places=[])

    def update(self, x: Step) -> None:
        x.memo["places"] = list(x.memo.get("places", []))
        places = self._places(x.properties)
        for place in places:
            self._put(x, place)
        for place in [place for place in x.memo["places"] if place not in places]:
            self._drop(x, place)

    def delete(self, x: Step) -> None:
        for place in list(x.memo.get("places", [])):
            self._drop(x, place)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None
