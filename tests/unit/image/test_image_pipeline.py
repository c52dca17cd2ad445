"""Build, status, delete and use of images on AWS: the emulated services, with EC2 Image Builder faked at its API."""

from __future__ import annotations

import itertools
import json
import runpy
import time
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from typer.testing import CliRunner

from dlcluster.cli import image_cloud
from dlcluster.cli.app import app
from dlcluster.cloud import images as cloud_images
from dlcluster.cloud import stacks
from dlcluster.cloud.session import Session
from dlcluster.cluster import images, recipe
from dlcluster.cluster.report import Silent
from dlcluster.config import parse_cluster
from dlcluster.errors import Exit, UserError
from dlcluster.image import imagebuilder
from dlcluster.image.load import load_image
from dlcluster.local.aws.cloudformation.schema import SCHEMAS
from dlcluster.local.aws.cloudformation.types import KINDS
from dlcluster.local.aws.cloudformation.types.base import Kind, Step
from dlcluster.local.aws.front import Emulator, serve

ROOT = Path(__file__).parents[3]
TYPES = ("Component", "ImageRecipe", "InfrastructureConfiguration", "DistributionConfiguration", "ImagePipeline")
COMPONENT = "arn:aws:imagebuilder:us-east-1:123456789012:component/dlcluster-gpu-cuda/1.0.0/1"
MODEL = botocore.session.get_session().get_service_model("imagebuilder")


class Held(Kind):
    """A type of Image Builder that the stack may hold, checked against AWS's schema and nothing more."""

    mutable = frozenset(
        {"Distributions", "ImageRecipeArn", "Tags", "InfrastructureConfigurationArn", "ResourceTags", "Schedule"}
    )

    def create(self, x: Step) -> None:
        word = self.name.rpartition("::")[2].lower()
        x.made(
            f"arn:aws:imagebuilder:{x.host.region}:{x.host.account_id}:{word}/{x.get('Name')}/{x.get('Version', '')}"
        )

    def update(self, x: Step) -> None:
        pass

    def delete(self, x: Step) -> None:
        pass

    def attribute(self, x: Step, name: str) -> Any:
        return x.physical_id if name == "Arn" else None


class ImageBuilder:
    """The part of EC2 Image Builder's API that is used. `states`: how the next build goes on, look by look."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.states = ["BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE"]
        self.builds: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self._numbers = itertools.count(1)

    def __getattr__(self, operation: str) -> Any:
        name = "".join(word.title() for word in operation.split("_"))
        model = MODEL.operation_model(name)  # an operation that AWS lacks ends here

        def call(**params: Any) -> dict[str, Any]:
            validate_parameters(params, model.input_shape)
            return getattr(self, f"do_{operation}")(**params)

        return call

    def get_paginator(self, operation: str) -> Any:
        fake = self

        class Pages:
            def paginate(self, **params: Any) -> list[dict[str, Any]]:
                return [getattr(fake, operation)(**params)]

        return Pages()

    def do_start_image_pipeline_execution(self, imagePipelineArn: str, clientToken: str) -> dict[str, Any]:
        version = f"1.0.0/{next(self._numbers)}"
        arn = f"arn:aws:imagebuilder:us-east-1:123456789012:image/dlcluster-gpu/{version}"
        self._write_log(version)
        self.builds[arn] = {
            "arn": arn,
            "states": list(self.states),
            "dateCreated": f"2026-11-24T10:00:{len(self.builds)}",
        }
        return {"imageBuildVersionArn": arn}

    def do_get_image(self, imageBuildVersionArn: str) -> dict[str, Any]:
        build = self.builds[imageBuildVersionArn]
        state = build["states"].pop(0) if len(build["states"]) > 1 else build["states"][0]
        build["state"] = {"status": state}
        if state == "FAILED":
            failure = {"componentArn": COMPONENT, "phaseName": "build", "stepName": "Install", "errorMessage": "exit 1"}
            build["state"] |= {"reason": "Document failed", "failureContext": {"componentFailure": failure}}
        if state == "AVAILABLE" and "outputResources" not in build:
            build["outputResources"] = {"amis": [{"region": self.session.region, "image": self._ami()}]}
        return {"image": build}

    def do_list_image_pipeline_images(self, imagePipelineArn: str) -> dict[str, Any]:
        return {"imageSummaryList": list(self.builds.values())}

    def do_delete_image(self, imageBuildVersionArn: str) -> dict[str, Any]:
        if self.builds.pop(imageBuildVersionArn, None) is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "gone"}}, "DeleteImage")
        return {}

    def do_cancel_image_creation(self, imageBuildVersionArn: str, clientToken: str) -> dict[str, Any]:
        self.builds[imageBuildVersionArn]["states"] = ["CANCELLED"]
        return {}

    def _write_log(self, stream: str) -> None:
        """Where Image Builder writes what the scripts print."""
        logs, names = self.session.client("logs"), {"logGroupName": "/aws/imagebuilder/dlcluster-gpu"}
        if self.log:
            logs.create_log_stream(**names, logStreamName=stream)
            rows = [{"timestamp": 1000 * int(time.time()) + row, "message": text} for row, text in enumerate(self.log)]
            logs.put_log_events(**names, logStreamName=stream, logEvents=rows)

    def _ami(self) -> str:
        """As distributed: with the tags that the template gives it."""
        cloudformation = self.session.client("cloudformation")
        names = [row["StackName"] for row in cloudformation.describe_stacks()["Stacks"]]
        body = cloudformation.get_template(StackName=names[0])["TemplateBody"]
        template = json.loads(body) if isinstance(body, str) else body
        distribution = template["Resources"]["Distribution"]["Properties"]["Distributions"][0]
        return register(self.session, distribution["AmiDistributionConfiguration"]["AmiTags"])


def register(session: Session, tags: dict[str, str]) -> str:
    """An image of the account's own; it and its snapshot carry the tags."""
    ec2 = session.client("ec2")
    image = str(ec2.register_image(Name=f"test-{next(_NAMES)}", RootDeviceName="/dev/sda1")["ImageId"])
    (row,) = ec2.describe_images(ImageIds=[image])["Images"]
    snapshot = row["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    ec2.create_tags(Resources=[image, snapshot], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return image


_NAMES = itertools.count()


class Aws(Session):
    """A session that says it is on AWS."""

    builder: Any = None

    def _make(self, service: str) -> Any:
        if service == "imagebuilder":
            return self.builder
        return Session("local", self.region, endpoint=self.endpoint).client(service)


@pytest.fixture(scope="module")
def emulated():
    """The emulated services, which take stacks with the types of Image Builder."""
    bake = runpy.run_path(str(ROOT / "scripts/bake_schemas.py"))["bake"]
    with pytest.MonkeyPatch.context() as patch:
        types = {f"AWS::ImageBuilder::{word}": bake(f"AWS::ImageBuilder::{word}") for word in TYPES}
        for name, schema in types.items():
            kind = type("Kept", (Held,), {"name": name, "properties": frozenset(schema["tree"]["p"])})
            patch.setitem(KINDS, name, kind())
        patch.setitem(SCHEMAS._data, "types", {**SCHEMAS._data["types"], **types})
        patch.setattr(imagebuilder, "_MANAGED", ())  # policies of AWS's own, which the emulated account lacks
        emulator = Emulator()
        server = serve(emulator)
        yield server.endpoint
        emulator.close()
        server.close()


@pytest.fixture
def aws(emulated, monkeypatch):
    monkeypatch.setattr(Session, "poll", 0.002)
    session = Aws("aws", "us-east-1", endpoint=emulated)
    monkeypatch.setattr(Aws, "builder", ImageBuilder(session))
    yield session
    images.delete(session, "gpu", (), Silent())


def build(session: Session, image: Any) -> Any:
    return images.execute(images.prepare(image, session, Silent()), Silent())


def cluster(folder: Any, **settings: Any) -> Any:
    return parse_cluster(json.dumps({"image": "recipe:gpu", "images": str(folder.root), **settings}))


def test_an_image_is_built_found_used_and_removed_with_proof(aws, folder):
    folder.write("components/driver/data.txt", "x" * 9000)  # fetched from the bucket by the build machine
    image = load_image(folder.library, "gpu")
    built = build(aws, image)
    ((made,), (ran,), pipeline) = images.status(aws, "gpu")
    assert built.amis == {"us-east-1": made.id}
    assert (made.recipe, made.hash, ran.state, pipeline) == ("gpu", image.hash, "AVAILABLE", True)
    stack = stacks.find(aws, "dlcluster-image-gpu")
    prefix = f"gpu/{image.hash}"
    (bucket,) = [row["Name"] for row in aws.client("s3").list_buckets()["Buckets"]]
    assert stack.parameters["Scripts"] == f"s3://{bucket}/{prefix}"
    keys = [row["Key"] for row in aws.client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert f"{prefix}/components/driver/data.txt" in keys
    assert recipe.newest(aws, recipe.recipe_of(cluster(folder))) == made.id

    report = images.delete(aws, "gpu", (), Silent())
    assert report.left == []
    assert {item.split()[0] for item in report.removed} == {"build", "stack", "image", "snapshot"}
    assert images.status(aws, "gpu") == ([], [], False)
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert images.delete(aws, "gpu", (), Silent()).removed == []


@pytest.mark.slow
def test_a_template_that_is_too_long_is_deployed_from_the_bucket(aws, folder):
    for number in range(5):
        folder.component(f"part{number}")
        folder.write(f"components/part{number}/text.txt", f"{number}\n" * 3000)
    names = ", ".join(f"part{number}" for number in range(5))
    folder.recipe(f"name: gpu\nsummary: x\ncomponents: [{names}]\nroot_gib: 40\n")
    prepared = images.prepare(load_image(folder.library, "gpu"), aws, Silent())
    assert len(prepared.plan.changes) == 5 + 7
    images.discard(prepared)
    assert stacks.find(aws, "dlcluster-image-gpu") is None
    assert aws.client("s3").list_buckets()["Buckets"] == [], "a plan leaves nothing behind"


@pytest.mark.slow
def test_a_build_that_fails_says_why_and_what_it_printed(aws, folder):
    aws.builder.states = ["BUILDING", "FAILED"]
    aws.builder.log = ["Stdout: nvcc: not found", "Phase build failed"]
    with pytest.raises(UserError) as caught:
        build(aws, load_image(folder.library, "gpu"))
    assert caught.value.code == Exit.FAILED
    first, *printed = caught.value.what.splitlines()
    assert first == "the build ended FAILED: component dlcluster-gpu-cuda failed in build Install: exit 1"
    assert [line.strip() for line in printed] == aws.builder.log
    assert "/aws/imagebuilder/dlcluster-gpu" in caught.value.hint
    assert images.delete(aws, "gpu", (), Silent()).left == []


@pytest.mark.slow
def test_a_build_that_runs_is_cancelled_before_it_is_deleted(aws, folder):
    image = load_image(folder.library, "gpu")
    build(aws, image)
    aws.builder.states = ["BUILDING"]
    arn = cloud_images.start(aws, stacks.find(aws, "dlcluster-image-gpu").outputs["PipelineArn"])
    assert cloud_images.look(aws, arn).runs
    assert images.delete(aws, "gpu", (), Silent()).left == []
    assert aws.builder.builds == {}


def test_an_image_of_a_recipe_that_has_changed_is_refused_and_the_newest_of_the_right_ones_is_taken(aws, folder):
    image = load_image(folder.library, "gpu")
    old = register(aws, image.tags)
    folder.write("components/cuda/install.sh", "echo newer\n")
    changed = load_image(folder.library, "gpu")
    with pytest.raises(UserError) as caught:
        recipe.newest(aws, changed)
    assert caught.value.code == Exit.NOT_FOUND
    assert f"the recipe gpu has changed since its newest image {old} was built" in caught.value.what
    assert "build it again: dlcluster image build gpu" in caught.value.hint
    new = register(aws, changed.tags)
    assert (recipe.newest(aws, changed), recipe.newest(aws, image)) == (new, old)


@pytest.mark.slow
def test_a_changed_recipe_updates_its_pipeline(aws, folder):
    build(aws, load_image(folder.library, "gpu"))
    folder.write("components/cuda/install.sh", "echo newer\n")
    changed = load_image(folder.library, "gpu")
    prepared = images.prepare(changed, aws, Silent())
    assert prepared.plan.kind == "update"
    built = images.execute(prepared, Silent())
    assert recipe.newest(aws, changed) == built.amis["us-east-1"]
    assert len(images.status(aws, "gpu")[0]) == 2


def test_no_image_at_all_is_refused_with_the_command_to_type(aws, folder):
    with pytest.raises(UserError) as caught:
        recipe.newest(aws, load_image(folder.library, "gpu"))
    assert "no image has been built from the recipe gpu in us-east-1" in caught.value.what
    assert caught.value.hint == "build it: dlcluster image build gpu"


@pytest.mark.slow
def test_copies_in_other_regions_are_removed_and_what_stays_is_told(aws, folder, monkeypatch):
    tags = {"dlcluster:recipe": "gpu", "dlcluster:recipe-hash": "0"}
    copy = register(aws.in_region("eu-west-1"), tags)
    kept = register(aws, tags)
    remove = cloud_images.remove
    with monkeypatch.context() as patch:
        patch.setattr(cloud_images, "remove", lambda session, ami: ami.id == kept or remove(session, ami))
        report = images.delete(aws, "gpu", ("eu-west-1",), Silent())
    assert f"image {copy} in eu-west-1" in report.removed
    assert [item.split()[0] for item in report.left] == ["image", "snapshot"]
    assert kept in report.left[0]


def test_the_embedded_cloud_has_no_image_builder_and_says_so(folder):
    with pytest.raises(UserError) as caught:
        images.prepare(load_image(folder.library, "gpu"), Session("local", "us-east-1"), Silent())
    assert "--to rootfs" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": {"type": "g5g.xlarge"}}, "workers.type: g5g.xlarge is arm64, the image x86_64"),
        ({"head": {"disk_gib": 20}}, "head.disk_gib: 20 GiB is less than the 40 GiB of the image"),
    ],
)
def test_a_cluster_that_does_not_fit_its_recipe_is_refused(folder, settings, message):
    with pytest.raises(UserError) as caught:
        recipe.recipe_of(cluster(folder, **settings))
    assert message in caught.value.what


def test_a_recipe_without_the_login_of_clusters_is_refused(folder):
    folder.recipe("name: gpu\nsummary: x\nbase: al2023\ncomponents: [driver]\nroot_gib: 40\n")
    with pytest.raises(UserError) as caught:
        recipe.recipe_of(cluster(folder))
    assert "Amazon Linux 2023 has `ec2-user`" in caught.value.what


@pytest.mark.slow
def test_the_command_asks_builds_prints_the_image_and_removes_it(aws, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_cloud, "open_session", lambda config: aws)
    where = ("--images", str(folder.root), "--region", "us-east-1")

    def run(*args: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["image", *args, *where])
        assert done.exit_code == code, done.output
        return done

    assert "not confirmed; nothing was built" in run("build", "gpu", code=2).output
    plan = json.loads(run("build", "gpu", "--plan", "--json").stdout)
    assert (plan["plan"], plan["cost"]["build"]) == ("create", pytest.approx(0.1785))
    assert stacks.find(aws, "dlcluster-image-gpu") is None, "a plan leaves nothing behind"
    ami, region = run("build", "gpu", "-y").stdout.split()
    assert region == "us-east-1"
    assert ami in run("status", "gpu").stdout
    assert f"built already from the recipe as it is now: {ami}" in run("build", "gpu", "--plan").stderr
    assert "not confirmed; nothing was removed" in run("delete", "gpu", code=2).output
    assert f"image {ami} in us-east-1" in json.loads(run("delete", "gpu", "-y", "--json").stdout)["removed"]
    assert "there is no recipe 'gpus'" in run("delete", "gpus", "-y", code=66).output
