"""Managed policies, users and their access keys, groups."""

from __future__ import annotations

from typing import Any

from dlcluster.local.aws.cloudformation.types.base import Kind, Step, missing_is_fine, names, removed_tags, tag_list

_OWNERS = (("role", "Roles", "PolicyRoles"), ("user", "Users", "PolicyUsers"), ("group", "Groups", "PolicyGroups"))


class ManagedPolicy(Kind):
    """An update makes a new default version; the version before it is deleted."""

    name = "AWS::IAM::ManagedPolicy"
    properties = names("Description Groups ManagedPolicyName Path PolicyDocument Roles Users")
    mutable = names("Groups PolicyDocument Roles Users")

    def create(self, x: Step) -> None:
        answer = x.call(
            "iam",
            "create_policy",
            PolicyName=x.get("ManagedPolicyName") or x.unique_name(128),
            **x.only("Description", "Path", "PolicyDocument"),
        )
        x.made(answer["Policy"]["Arn"], PolicyId=answer["Policy"]["PolicyId"])
        for kind, owner in self._wanted(x.properties):
            self._attach(x, "attach", kind, owner)

    def _wanted(self, properties: dict[str, Any]) -> list[tuple[str, str]]:
        return [(kind, owner) for kind, name, _ in _OWNERS for owner in properties.get(name) or []]

    def _attach(self, x: Step, verb: str, kind: str, owner: str) -> None:
        x.call("iam", f"{verb}_{kind}_policy", **{f"{kind.title()}Name": owner, "PolicyArn": x.physical_id})

    def update(self, x: Step) -> None:
        if "PolicyDocument" in x.changed:
            document = x.get("PolicyDocument")
            x.call("iam", "create_policy_version", PolicyArn=x.physical_id, PolicyDocument=document, SetAsDefault=True)
            self._drop_versions(x)
        old, new = self._wanted(x.old), self._wanted(x.properties)
        for kind, owner in new:
            if (kind, owner) not in old:
                self._attach(x, "attach", kind, owner)
        for kind, owner in old:
            if (kind, owner) not in new:
                with missing_is_fine():
                    self._attach(x, "detach", kind, owner)

    def _drop_versions(self, x: Step) -> None:
        for version in x.call("iam", "list_policy_versions", PolicyArn=x.physical_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                x.call("iam", "delete_policy_version", PolicyArn=x.physical_id, VersionId=version["VersionId"])

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            found = x.call("iam", "list_entities_for_policy", PolicyArn=x.physical_id)
            for kind, _, key in _OWNERS:
                for row in found[key]:
                    self._attach(x, "detach", kind, row[f"{kind.title()}Name"])
            self._drop_versions(x)
            x.call("iam", "delete_policy", PolicyArn=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        if name == "PolicyArn":
            return x.physical_id
        return x.call("iam", "get_policy", PolicyArn=x.physical_id)["Policy"].get(name)


class User(Kind):
    name = "AWS::IAM::User"
    properties = names("Groups ManagedPolicyArns Path PermissionsBoundary Policies UserName Tags")
    mutable = names("Groups ManagedPolicyArns Policies Tags")

    def create(self, x: Step) -> None:
        answer = x.call(
            "iam",
            "create_user",
            UserName=x.get("UserName") or x.unique_name(64),
            **x.only("Path", "PermissionsBoundary"),
            Tags=tag_list(x.tags) or None,
        )
        x.made(answer["User"]["UserName"], Arn=answer["User"]["Arn"])
        self._policies(x, {})

    def _policies(self, x: Step, old: dict[str, Any]) -> None:
        user = {"UserName": x.physical_id}
        for name, key, on, off in (
            ("Groups", "GroupName", "add_user_to_group", "remove_user_from_group"),
            ("ManagedPolicyArns", "PolicyArn", "attach_user_policy", "detach_user_policy"),
        ):
            had, wanted = set(old.get(name) or []), set(x.get(name) or [])
            for item in sorted(wanted - had):
                x.call("iam", on, **user, **{key: item})
            for item in sorted(had - wanted):
                with missing_is_fine():
                    x.call("iam", off, **user, **{key: item})
        had_inline = {item["PolicyName"] for item in old.get("Policies") or []}
        wanted_inline = {item["PolicyName"]: item["PolicyDocument"] for item in x.get("Policies") or []}
        for policy, document in wanted_inline.items():
            x.call("iam", "put_user_policy", **user, PolicyName=policy, PolicyDocument=document)
        for policy in sorted(had_inline - wanted_inline.keys()):
            with missing_is_fine():
                x.call("iam", "delete_user_policy", **user, PolicyName=policy)

    def update(self, x: Step) -> None:
        if x.changed - {"Tags"}:
            self._policies(x, x.old)
        if "Tags" in x.changed:
            if removed_tags(x):
                x.call("iam", "untag_user", UserName=x.physical_id, TagKeys=removed_tags(x))
            if x.tags:
                x.call("iam", "tag_user", UserName=x.physical_id, Tags=tag_list(x.tags))

    def delete(self, x: Step) -> None:
        """A user must be empty first; access keys are resources of their own."""
        user = {"UserName": x.physical_id}
        with missing_is_fine():
            for group in x.call("iam", "list_groups_for_user", **user)["Groups"]:
                x.call("iam", "remove_user_from_group", **user, GroupName=group["GroupName"])
            for item in x.call("iam", "list_attached_user_policies", **user)["AttachedPolicies"]:
                x.call("iam", "detach_user_policy", **user, PolicyArn=item["PolicyArn"])
            for policy in x.call("iam", "list_user_policies", **user)["PolicyNames"]:
                x.call("iam", "delete_user_policy", **user, PolicyName=policy)
            x.call("iam", "delete_user", **user)

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)


class AccessKey(Kind):
    name = "AWS::IAM::AccessKey"
    properties = names("Serial Status UserName")
    mutable = names("Status")

    def create(self, x: Step) -> None:
        key = x.call("iam", "create_access_key", UserName=x.get("UserName"))["AccessKey"]
        x.made(key["AccessKeyId"], SecretAccessKey=key["SecretAccessKey"])
        if x.get("Status") == "Inactive":
            self.update(x)

    def update(self, x: Step) -> None:
        status = x.get("Status", "Active")
        x.call("iam", "update_access_key", UserName=x.get("UserName"), AccessKeyId=x.physical_id, Status=status)

    def delete(self, x: Step) -> None:
        with missing_is_fine():
            x.call("iam", "delete_access_key", UserName=x.get("UserName"), AccessKeyId=x.physical_id)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else x.memo.get(name)


class Group(Kind):
    name = "AWS::IAM::Group"
    properties = names("GroupName ManagedPolicyArns Path Policies")
    mutable = names("ManagedPolicyArns Path Policies")

    def create(self, x: Step) -> None:
        answer = x.call("iam", "create_group", GroupName=x.get("GroupName") or x.unique_name(128), **x.only("Path"))
        x.made(answer["Group"]["GroupName"], Arn=answer["Group"]["Arn"])
        self._policies(x, {})

    def _policies(self, x: Step, old: dict[str, Any]) -> None:
        group = {"GroupName": x.physical_id}
        had, wanted = set(old.get("ManagedPolicyArns") or []), set(x.get("ManagedPolicyArns") or [])
        for policy in sorted(wanted - had):
            x.call("iam", "attach_group_policy", **group, PolicyArn=policy)
        for policy in sorted(had - wanted):
            with missing_is_fine():
                x.call("iam", "detach_group_policy", **group, PolicyArn=policy)
        inline = {item["PolicyName"]: item["PolicyDocument"] for item in x.get("Policies") or []}
        for policy, document in inline.items():
            x.call("iam", "put_group_policy", **group, PolicyName=policy, PolicyDocument=document)
        for policy in sorted({item["PolicyName"] for item in old.get("Policies") or []} - inline.keys()):
            with missing_is_fine():
                x.call("iam", "delete_group_policy", **group, PolicyName=policy)

    def update(self, x: Step) -> None:
        if "Path" in x.changed:
            x.call("iam", "update_group", GroupName=x.physical_id, NewPath=x.get("Path", "/"))
        self._policies(x, x.old)

    def delete(self, x: Step) -> None:
        """A group must be without policies first; IAM refuses one with members."""
        group = {"GroupName": x.physical_id}
        with missing_is_fine():
            for item in x.call("iam", "list_attached_group_policies", **group)["AttachedPolicies"]:
                x.call("iam", "detach_group_policy", **group, PolicyArn=item["PolicyArn"])
            for policy in x.call("iam", "list_group_policies", **group)["PolicyNames"]:
                x.call("iam", "delete_group_policy", **group, PolicyName=policy)
            x.call("iam", "delete_group", **group)

    def attribute(self, x: Step, name: str) -> Any:
        return x.memo.get(name)


class UserToGroupAddition(Kind):
    name = "AWS::IAM::UserToGroupAddition"
    properties = names("GroupName Users")
    mutable = names("GroupName Users")

    def create(self, x: Step) -> None:
        x.made(x.unique_name())
        self._move(x, {})

    def _move(self, x: Step, old: dict[str, Any]) -> None:
        had = {(old.get("GroupName"), user) for user in old.get("Users") or []}
        wanted = {(x.get("GroupName"), user) for user in x.get("Users") or []}
        for group, user in sorted(wanted - had):
            x.call("iam", "add_user_to_group", GroupName=group, UserName=user)
        for group, user in sorted(had - wanted):
            with missing_is_fine():
                x.call("iam", "remove_user_from_group", GroupName=group, UserName=user)

    def update(self, x: Step) -> None:
        self._move(x, x.old)

    def delete(self, x: Step) -> None:
        for user in x.get("Users") or []:
            with missing_is_fine():
                x.call("iam", "remove_user_from_group", GroupName=x.get("GroupName"), UserName=user)

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Id" else None
