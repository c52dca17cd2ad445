"""Machine images of recipes: those that exist, by their tags, and the pipelines of EC2 Image Builder that make them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlcluster.cloud.session import Session, aws_errors, error_code
from dlcluster.errors import Exit, UserError
from dlcluster.image.resolved import HASH_TAG, RECIPE_TAG

ENDED = {"AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DELETED", "DISABLED"}
"""States of a build in which nothing happens any more."""
_LINES = 20  # of a log, that are shown when a build fails


@dataclass(frozen=True)
class Ami:
    """One image of this account. created: ISO 8601, as EC2 gives it."""

    id: str
    region: str
    name: str
    recipe: str
    hash: str
    state: str
    created: str
    snapshots: tuple[str, ...]


@dataclass(frozen=True)
class Build:
    """One run of a pipeline. arn: of the image version that it makes. amis: by region, once they are there."""

    arn: str
    state: str
    reason: str
    created: str
    amis: dict[str, str]

    @property
    def runs(self) -> bool:
        return self.state not in ENDED


def amis(session: Session, recipe: str) -> list[Ami]:
    """The account's own images of a recipe in the session's region, newest first."""
    with aws_errors(f"looking for images of the recipe {recipe}"):
        pages = session.client("ec2").get_paginator("describe_images")
        filters = [{"Name": f"tag:{RECIPE_TAG}", "Values": [recipe]}]
        rows = [row for page in pages.paginate(Owners=["self"], Filters=filters) for row in page["Images"]]
    return sorted((_ami(session, row) for row in rows), key=lambda ami: (ami.created, ami.id), reverse=True)


def _ami(session: Session, row: dict[str, Any]) -> Ami:
    tags = {tag["Key"]: tag["Value"] for tag in row.get("Tags", [])}
    disks = [mapping.get("Ebs", {}).get("SnapshotId") for mapping in row.get("BlockDeviceMappings", [])]
    return Ami(
        id=row["ImageId"],
        region=session.region,
        name=row.get("Name", ""),
        recipe=tags.get(RECIPE_TAG, ""),
        hash=tags.get(HASH_TAG, ""),
        state=row.get("State", ""),
        created=str(row.get("CreationDate", "")),
        snapshots=tuple(disk for disk in disks if disk),
    )


def remove(session: Session, ami: Ami) -> None:
    """Deregister an image and delete its snapshots. What is gone already is fine."""
    from botocore.exceptions import ClientError

    ec2 = session.client("ec2")
    calls: list[tuple[Callable[..., Any], dict[str, str]]] = [(ec2.deregister_image, {"ImageId": ami.id})]
    calls += [(ec2.delete_snapshot, {"SnapshotId": snapshot}) for snapshot in ami.snapshots]
    with aws_errors(f"removing the image {ami.id}"):
        for call, params in calls:
            try:
                call(**params)
            except ClientError as error:
                if not error_code(error).endswith((".NotFound", ".Unavailable")):
                    raise


def snapshots(session: Session, recipe: str) -> list[str]:
    """Ids of the account's snapshots that carry the recipe's tag."""
    with aws_errors(f"looking for snapshots of the recipe {recipe}"):
        pages = session.client("ec2").get_paginator("describe_snapshots")
        filters = [{"Name": f"tag:{RECIPE_TAG}", "Values": [recipe]}]
        return [
            row["SnapshotId"]
            for page in pages.paginate(OwnerIds=["self"], Filters=filters)
            for row in page["Snapshots"]
        ]


def start(session: Session, pipeline: str) -> str:
    """Start a build; returns the ARN of the image version that it makes."""
    with aws_errors("starting the pipeline"):
        answer = session.client("imagebuilder").start_image_pipeline_execution(
            imagePipelineArn=pipeline, clientToken=str(uuid.uuid4())
        )
    return str(answer["imageBuildVersionArn"])


def look(session: Session, arn: str) -> Build:
    """How far a build is."""
    with aws_errors("looking at the build"):
        return _build(session.client("imagebuilder").get_image(imageBuildVersionArn=arn)["image"])


def builds(session: Session, pipeline: str) -> list[Build]:
    """Every build of a pipeline that is not deleted, newest first."""
    with aws_errors("listing the builds"):
        pages = session.client("imagebuilder").get_paginator("list_image_pipeline_images")
        rows = [row for page in pages.paginate(imagePipelineArn=pipeline) for row in page["imageSummaryList"]]
    return sorted((_build(row) for row in rows), key=lambda build: (build.created, build.arn), reverse=True)


def _build(row: dict[str, Any]) -> Build:
    state = row.get("state", {})
    made = row.get("outputResources", {}).get("amis", [])
    return Build(
        arn=row["arn"],
        state=state.get("status", ""),
        reason=_reason(state),
        created=str(row.get("dateCreated", "")),
        amis={ami["region"]: ami["image"] for ami in made if "image" in ami},
    )


def _reason(state: dict[str, Any]) -> str:
    """Why a build failed: the component and step that did, when AWS tells them."""
    failure = state.get("failureContext", {}).get("componentFailure", {})
    if "componentArn" not in failure:
        return str(state.get("reason", ""))
    component = failure["componentArn"].split("/")[1]
    place = " ".join(failure[key] for key in ("phaseName", "stepName") if key in failure)
    return f"component {component} failed in {place}: {failure.get('errorMessage', 'no message')}"


def follow(session: Session, arn: str, on_state: Callable[[Build], None]) -> Build:
    """Report every new state of a build until it ends. UserError FAILED with AWS's reason when it made no image."""
    known = ""
    while True:
        build = look(session, arn)
        if build.state != known:
            known = build.state
            on_state(build)
        if not build.runs:
            break
        time.sleep(5 * session.poll)
    if build.state != "AVAILABLE":
        lines = "".join(f"\n    {line}" for line in printed(session, arn))
        raise UserError(
            f"the build ended {build.state}: {build.reason or 'no reason given'}{lines}",
            where=arn,
            hint=f"the log group {_log_group(arn)} has all that the scripts printed",
            code=Exit.FAILED,
        )
    return build


def printed(session: Session, arn: str) -> list[str]:
    """The last lines of a build's log: what the scripts printed. Empty when there is none."""
    from botocore.exceptions import ClientError

    *_, version, number = arn.split("/")
    with aws_errors("reading the build's log"):
        try:
            answer = session.client("logs").get_log_events(
                logGroupName=_log_group(arn), logStreamName=f"{version}/{number}", limit=_LINES, startFromHead=False
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise
    return [row["message"].rstrip() for row in answer["events"]]


def _log_group(arn: str) -> str:
    # arn:aws:imagebuilder:REGION:ACCOUNT:image/NAME/VERSION/BUILD
    return f"/aws/imagebuilder/{arn.split('/')[1]}"


def forget(session: Session, build: Build) -> None:
    """Delete Image Builder's record of a build; its AMI stays. A build that runs is cancelled first."""
    from botocore.exceptions import ClientError

    client = session.client("imagebuilder")
    with aws_errors(f"deleting the build {build.arn}"):
        try:
            if build.runs:
                client.cancel_image_creation(imageBuildVersionArn=build.arn, clientToken=str(uuid.uuid4()))
                while look(session, build.arn).runs:
                    time.sleep(session.poll)
            client.delete_image(imageBuildVersionArn=build.arn)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
