"""A Packer template (HCL2, amazon-ebs)."""

from __future__ import annotations

from typing import Any

from dlcluster.image.hcl import Block, Raw, block
from dlcluster.image.hcl import render as to_hcl
from dlcluster.image.platforms import PLATFORMS
from dlcluster.image.resolved import FOLDER, Image, Step
from dlcluster.image.shell import run
from dlcluster.image.spec import Spec, context

TARGET = "packer"
_UPLOAD = "/tmp/dlcluster-image"
_REGION = Raw("var.region")
_PLUGIN = Block(
    "packer",
    (),
    (block("required_plugins", amazon=Raw('{ source = "github.com/hashicorp/amazon", version = ">= 1.3.0" }')),),
)
_PLUGIN_NOTE = (
    "# Packer 1.7 and newer fetch this plugin by `packer init`; older ones have it built in and refuse this file.\n"
)


def render(image: Image) -> Spec:
    """`image.pkr.hcl` and `plugins.pkr.hcl`. The variable `context` is the folder with the scripts."""
    blocks = [*_variables(image), *_parameter(image), _source(image), _build(image)]
    head = f"# {image.name}: {image.recipe.summary}\n"
    files = {"image.pkr.hcl": head + to_hcl(blocks), "plugins.pkr.hcl": _PLUGIN_NOTE + to_hcl([_PLUGIN])}
    use = "packer init {folder} && packer build -var context={context} -var region={region} {folder}"
    return Spec(files, context(image), use)


def _variables(image: Image) -> list[Block]:
    string = Raw("string")
    return [
        block("variable", "region", type=string, default="us-east-1"),
        block("variable", "instance_type", type=string, default=image.recipe.build_type),
        block("variable", "context", type=string, default=".", description="Folder that holds components/ and shared/"),
    ]


def _parameter(image: Image) -> list[Block]:
    if not image.base.startswith("ssm:"):
        return []
    return [block("data", "amazon-parameterstore", "base", name=image.base.removeprefix("ssm:"), region=_REGION)]


def _source(image: Image) -> Block:
    recipe, platform = image.recipe, image.platform
    stamp = f'"dlcluster-{image.name}-{image.hash}-${{formatdate("YYYYMMDD-hhmmss", timestamp())}}"'
    fields: dict[str, Any] = {
        "ami_name": Raw(stamp),
        "ami_description": recipe.summary,
        "region": _REGION,
        "instance_type": Raw("var.instance_type"),
        "ssh_username": platform.login,
        **_given(
            ami_regions=list(recipe.regions),
            ami_users=list(recipe.share.accounts),
            ami_org_arns=list(recipe.share.organizations),
            ami_groups=["all"] if recipe.share.public else [],
        ),
        **_base(image),
        "tags": image.tags,
        "snapshot_tags": image.tags,
    }
    disk = block(
        "launch_block_device_mappings",
        device_name=platform.root_device,
        volume_size=recipe.root_gib,
        volume_type="gp3",
        iops=3000,
        throughput=125,
        delete_on_termination=True,
    )
    return Block("source", ("amazon-ebs", "image"), (*fields.items(), *_filter(image), disk))


def _given(**lists: list[str]) -> dict[str, list[str]]:
    return {name: value for name, value in lists.items() if value}


def _base(image: Image) -> dict[str, Any]:
    if image.base in PLATFORMS:
        return {}
    return {"source_ami": image.base if image.base.startswith("ami-") else Raw("data.amazon-parameterstore.base.value")}


def _filter(image: Image) -> list[Block]:
    if image.base not in PLATFORMS:
        return []
    architecture = image.recipe.architecture
    filters = {
        "name": image.platform.ami_name(architecture),
        "architecture": architecture,
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
    }
    return [block("source_ami_filter", most_recent=True, owners=[image.platform.ami_owner], filters=filters)]


def _build(image: Image) -> Block:
    folders = " ".join(f"{_UPLOAD}/{step.name}" for step in image.steps)
    parts: list[Any] = [("sources", ["source.amazon-ebs.image"])]
    parts.append(
        block("provisioner", "shell", inline=["cloud-init status --wait > /dev/null || true", f"mkdir -p {folders}"])
    )
    parts += [_upload(step) for step in image.steps]
    parts.append(_as_root(f"mkdir -p {FOLDER} && cp -r {_UPLOAD}/. {FOLDER}/ && rm -rf {_UPLOAD}"))
    parts += [_as_root(run(image, step, TARGET, "install.sh")) for step in image.installs]
    parts += [_as_root(run(image, step, TARGET, script)) for step, script in image.tests]
    return Block("build", (), tuple(parts))


def _upload(step: Step) -> Block:
    sources = [Raw(f'"${{var.context}}/{step.sources[name]}"') for name in sorted(step.sources)]
    return block("provisioner", "file", sources=sources, destination=f"{_UPLOAD}/{step.name}/")


def _as_root(command: str) -> Block:
    return block("provisioner", "shell", execute_command="sudo bash -eu '{{ .Path }}'", inline=[command])
