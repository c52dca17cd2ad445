"""From the parameters of CreateStack, UpdateStack and CreateChangeSet to a Target."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlparse

from botocore.exceptions import ClientError

from dlcluster.local.aws.cloudformation import parameters, stack_policy, template
from dlcluster.local.aws.cloudformation.intrinsics import error
from dlcluster.local.aws.cloudformation.model import Stack, Target
from dlcluster.local.aws.cloudformation.stack_policy import StackPolicy
from dlcluster.local.aws.query import AwsError

MAX_BODY, MAX_URL_BODY, MAX_TAGS, MAX_TOPICS = 51_200, 1_000_000, 50, 5
_UNSUPPORTED = (
    "ResourceTypes", "ResourcesToImport", "ImportExistingResources", "RetainExceptOnCreate",
    "IncludeNestedStacks", "DeploymentMode", "DeploymentConfig", "ForceRollback",
)  # fmt: skip
_NAME = re.compile("[a-zA-Z][-a-zA-Z0-9]{0,127}")

Client = Callable[[str], Any]


def refuse_unsupported(params: dict[str, Any]) -> None:
    """Raises AwsError for what would silently have no effect here."""
    for name in _UNSUPPORTED:
        if params.get(name):
            raise error(f"{name} is not supported by this endpoint")
    if params.get("DeletionMode") == "FORCE_DELETE_STACK":
        raise error("DeletionMode FORCE_DELETE_STACK is not supported by this endpoint")
    if (params.get("RollbackConfiguration") or {}).get("RollbackTriggers"):
        raise error("RollbackConfiguration.RollbackTriggers is not supported by this endpoint")


def check_name(name: str) -> None:
    """Raises AwsError for a name that no stack can have."""
    if not _NAME.fullmatch(name):
        raise error(f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
                    "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*")  # fmt: skip


def source(params: dict[str, Any], client: Client) -> str | None:
    """The template's text from TemplateBody or TemplateURL, None when neither is given."""
    body, url = params.get("TemplateBody"), params.get("TemplateURL")
    if body is not None and url is not None:
        raise error("Template URL and Template Body cannot be specified together")
    if body is not None:
        if not 1 <= len(body.encode()) <= MAX_BODY:
            rule = f"less than or equal to {MAX_BODY}" if body else "greater than or equal to 1"
            raise error(f"1 validation error detected: Value '{body[:100]}...' at 'templateBody' failed to "
                        f"satisfy constraint: Member must have length {rule}")  # fmt: skip
        return str(body)
    return None if url is None else download(url, client)


def policy(params: dict[str, Any], name: str, client: Client) -> StackPolicy | None:
    """The stack policy in the parameters `nameBody` or `nameURL`, None when neither is given."""
    body, url = params.get(f"{name}Body"), params.get(f"{name}URL")
    if body is not None and url is not None:
        raise error(f"You cannot specify both {name}Body and {name}URL")
    if url is not None:
        body = download(url, client)
    return None if body is None else stack_policy.parse(body)


def download(url: str, client: Client) -> str:
    """The text behind a TemplateURL: an object of S3."""
    parts = urlparse(url)
    host, path = parts.netloc.split(":")[0], unquote(parts.path.lstrip("/"))
    virtual = re.match(r"(.+?)\.(?:s3[.-]|localhost)", host)
    bucket, _, key = (virtual[1], "", path) if virtual else path.partition("/")
    if not bucket or not key:
        raise error("TemplateURL must be a supported URL.")
    try:
        data = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as problem:
        raise error(f"S3 error: {problem.response['Error']['Message']}\nFor more information check "
                    "http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html") from None  # fmt: skip
    if len(data) > MAX_URL_BODY:
        raise error(f"Template may not exceed {MAX_URL_BODY} bytes in size.")
    return str(data.decode())


def target(params: dict[str, Any], previous: Stack | None, client: Client, text: str | None = None) -> Target:
    """What the caller wants the stack to be; `text`: a template that is at hand. Raises AwsError."""
    text = source(params, client) if text is None else text
    if params.get("UsePreviousTemplate") and previous is not None:
        if text is not None:
            raise error("Template body or URL cannot be specified together with UsePreviousTemplate")
        parsed = previous.target.template
    elif text is None:
        raise error("Either Template URL or Template Body must be specified.")
    else:
        parsed = template.parse(text)
    before = previous.target if previous else None
    values = parameters.resolve(parsed, params.get("Parameters") or [], before.parameters if before else None, client)
    if "Tags" in params or before is None:
        tags = _tags(params.get("Tags") or [])
    else:
        tags = dict(before.tags)
    capabilities = tuple(params.get("Capabilities") or ())
    _check_capabilities(parsed, capabilities)
    if "NotificationARNs" in params or before is None:
        topics = _topics(params.get("NotificationARNs") or [], client)
    else:
        topics = before.topics
    role = params.get("RoleARN") or (before.role_arn if before else "")
    if params.get("RoleARN"):
        _check_role(role, client)
    return Target(parsed, values, tags, capabilities, role, topics)


def _check_role(arn: str, client: Client) -> None:
    """Raises AwsError for a role that is not there, or that CloudFormation may not take."""
    try:
        role = client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
        trust = str(role["AssumeRolePolicyDocument"])
    except ClientError:
        trust = ""
    if "cloudformation.amazonaws.com" not in trust:
        raise error(f"Role {arn} is invalid or cannot be assumed")


def _topics(arns: list[str], client: Client) -> tuple[str, ...]:
    """The topics that are told of events. Raises AwsError for what is none."""
    if len(arns) > MAX_TOPICS:
        raise error(f"1 validation error detected: Value at 'notificationARNs' failed to satisfy constraint: Member "
                    f"must have length less than or equal to {MAX_TOPICS}")  # fmt: skip
    for arn in arns:
        try:
            client("sns").get_topic_attributes(TopicArn=arn)
        except ClientError as problem:
            raise error(f"Invalid notification ARN [{arn}]: {problem.response['Error']['Message']}") from None
    return tuple(arns)


def _tags(rows: list[dict[str, str]]) -> dict[str, str]:
    if len(rows) > MAX_TAGS:
        raise error(f"1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have "
                    f"length less than or equal to {MAX_TAGS}")  # fmt: skip
    tags = {row["Key"]: row.get("Value", "") for row in rows}
    if len(tags) != len(rows):
        raise error("Tags must have unique keys")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise error("Tag keys that begin with aws: are reserved for AWS use")
    return tags


def _check_capabilities(parsed: template.Template, given: tuple[str, ...]) -> None:
    needed, _ = parsed.capabilities()
    enough = {"CAPABILITY_IAM": {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"}}
    for name in needed:
        if not enough.get(name, {name}) & set(given):
            raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{name}]")
