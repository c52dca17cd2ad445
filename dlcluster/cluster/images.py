"""`image build`, `status` and `delete`: the pipeline's stack, its builds, and the images that come of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from dlcluster.cloud import images, stacks
from dlcluster.cloud.images import Ami, Build
from dlcluster.cloud.session import Session, aws_errors, error_code
from dlcluster.cloud.stacks import Plan
from dlcluster.cloud.store import Store
from dlcluster.cluster.report import Reporter
from dlcluster.errors import UserError
from dlcluster.image import imagebuilder
from dlcluster.image.awstoe import SCRIPTS
from dlcluster.image.resolved import RECIPE_TAG, Image


@dataclass(frozen=True)
class Prepared:
    """A pipeline that waits for consent. same: images that were built already from the recipe as it is now."""

    image: Image
    session: Session
    plan: Plan
    same: list[Ami]


@dataclass
class Removed:
    """What `image delete` did. `left` is empty when the proof succeeded."""

    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def prepare(image: Image, session: Session, reporter: Reporter, *, subnet: str = "", group: str = "") -> Prepared:
    """Plan the stack of the recipe's pipeline. What is too long for it goes to a bucket first.

    subnet, group: ids of the subnet and security group to build in; empty for those of the default VPC.
    """
    refuse_local(session)
    name = imagebuilder.stack_name(image.name)
    reporter.step("talking to AWS")
    stack = stacks.settle(session, name, reporter.event)
    spec = imagebuilder.render(image)
    template, parameters = spec.files[spec.main], {"SubnetId": subnet, "SecurityGroupId": group}
    large = len(template.encode()) > imagebuilder.TEMPLATE_LIMIT
    beside = len(spec.files) > 1 or bool(spec.context)
    if large or beside:
        reporter.step("uploading the scripts")
        store = Store(session, _make_bucket(session))
        prefix = f"{image.name}/{image.hash}"
        contents = {**{path: text.encode() for path, text in spec.files.items()}, **spec.context}
        for path, content in contents.items():
            store.put(f"{prefix}/{path}", content)
        if beside:
            parameters[SCRIPTS] = f"s3://{store.bucket}/{prefix}"
        if large:
            template = f"https://{store.bucket}.s3.{session.region}.amazonaws.com/{prefix}/{spec.main}"
    reporter.step("planning")
    planned = stacks.plan(session, name, template, parameters, {RECIPE_TAG: image.name}, exists=stack is not None)
    same = [ami for ami in images.amis(session, image.name) if ami.hash == image.hash]
    return Prepared(image, session, planned, same)


def execute(prepared: Prepared, reporter: Reporter) -> Build:
    """Carry out the plan, start the pipeline, and follow the build until its images are there."""
    live, name = prepared.session, prepared.plan.stack_name
    if prepared.plan.kind != "none":
        reporter.step("making the pipeline" if prepared.plan.kind == "create" else "updating the pipeline")
        stacks.apply(live, prepared.plan, reporter.event)
    stack = stacks.find(live, name)
    assert stack is not None, "it has just been made"
    reporter.step("starting a build")
    arn = images.start(live, stack.outputs[imagebuilder.PIPELINE])
    reporter.note(f"build {arn}")
    return images.follow(live, arn, lambda build: reporter.step(f"{build.state.lower()} the image"))


def discard(prepared: Prepared) -> None:
    """Drop the plan. A bucket that was made for it and holds nothing else goes too."""
    stacks.discard(prepared.session, prepared.plan)
    if stacks.find(prepared.session, prepared.plan.stack_name) is None:
        _empty_bucket(prepared.session, prepared.image.name)


def status(session: Session, recipe: str) -> tuple[list[Ami], list[Build], bool]:
    """The images of a recipe, the builds of its pipeline, and whether there is a pipeline."""
    made = images.amis(session, recipe)
    stack = None if session.cloud == "local" else stacks.find(session, imagebuilder.stack_name(recipe))
    pipeline = stack.outputs.get(imagebuilder.PIPELINE) if stack else None
    return made, images.builds(session, pipeline) if pipeline else [], pipeline is not None


def delete(session: Session, recipe: str, regions: tuple[str, ...], reporter: Reporter) -> Removed:
    """Remove the pipeline, its builds, the images and their snapshots in all regions, and the scripts; then look again.

    Idempotent: what is gone already is fine.
    """
    report = Removed()
    places = [session, *(session.in_region(region) for region in regions if region != session.region)]
    if session.cloud != "local":
        _remove_pipeline(session, recipe, reporter, report)
    reporter.step("removing the images")
    for place in places:
        for ami in images.amis(place, recipe):
            images.remove(place, ami)
            report.removed += [f"image {ami.id} in {ami.region}", *(f"snapshot {disk}" for disk in ami.snapshots)]
    if session.cloud != "local":
        _empty_bucket(session, recipe)
    reporter.step("looking for what is left")
    report.left = _left(places, recipe)
    return report


def _remove_pipeline(session: Session, recipe: str, reporter: Reporter, report: Removed) -> None:
    name = imagebuilder.stack_name(recipe)
    stack = stacks.settle(session, name, reporter.event)
    if stack is None:
        return
    if pipeline := stack.outputs.get(imagebuilder.PIPELINE):
        reporter.step("removing the builds")
        for build in images.builds(session, pipeline):
            images.forget(session, build)
            report.removed.append(f"build {build.arn}")
    reporter.step("removing the pipeline")
    if stacks.delete(session, stack, reporter.event) is None:
        report.removed.append(f"stack {name}")


def _left(places: list[Session], recipe: str) -> list[str]:
    home = places[0]
    left = []
    stack = None if home.cloud == "local" else stacks.find(home, imagebuilder.stack_name(recipe))
    if stack:
        left.append(f"stack {stack.name}: {stack.status} {stack.reason}".rstrip())
    for place in places:
        left += [f"image {ami.id} in {ami.region}" for ami in images.amis(place, recipe)]
        left += [f"snapshot {disk} in {place.region}" for disk in images.snapshots(place, recipe)]
    return left


def refuse_local(session: Session) -> None:
    """The embedded cloud has no EC2 Image Builder."""
    if session.cloud == "local":
        raise UserError(
            "the embedded cloud has no EC2 Image Builder",
            hint="on AWS: --region REGION, or a cluster file with `cloud: aws`; on this machine: --to rootfs; "
            "or write a spec: dlcluster image spec",
        )


def _bucket_name(session: Session) -> str:
    with aws_errors("asking whose account this is"):
        account = session.client("sts").get_caller_identity()["Account"]
    return f"dlcluster-images-{account}-{session.region}"


def _make_bucket(session: Session) -> str:
    """The account's bucket for scripts of images, made when it is not there. Private; S3 encrypts by itself."""
    from botocore.exceptions import ClientError

    name, s3 = _bucket_name(session), session.client("s3")
    place = {} if session.region == "us-east-1" else {"LocationConstraint": session.region}
    with aws_errors(f"making the bucket {name}"):
        try:
            s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        except ClientError as error:
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    return name


def _empty_bucket(session: Session, recipe: str) -> None:
    """Remove the scripts of a recipe, and the bucket with the last of them."""
    from botocore.exceptions import ClientError

    store, s3 = Store(session, _bucket_name(session)), session.client("s3")
    with aws_errors(f"emptying the bucket {store.bucket}"):
        try:
            s3.head_bucket(Bucket=store.bucket)
        except ClientError as error:
            if error_code(error) in {"404", "NoSuchBucket"}:
                return
            raise
        store.delete(f"{recipe}/")
        if not store.keys():
            s3.delete_bucket(Bucket=store.bucket)
