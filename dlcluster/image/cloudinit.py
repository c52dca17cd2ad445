"""cloud-init user data: an instance that makes itself into the image at its first boot."""

from __future__ import annotations

import base64
from typing import Any

from dlcluster.image.blocks import dump
from dlcluster.image.resolved import FOLDER, Image, Step
from dlcluster.image.shell import run
from dlcluster.image.spec import Spec

TARGET = "cloud-init"
LIMIT = 16384
"""Bytes of user data that EC2 takes, before base64 and after gzip."""
_SHARED = f"{FOLDER}/shared"
_USE = "aws ec2 run-instances --region {region} --image-id AMI --instance-type TYPE --user-data fileb://{folder}/user-data.yaml"


def render(image: Image) -> Spec:
    """`#cloud-config` that writes the scripts and runs them; the first failure ends it."""
    own, shared = _files(image)
    commands = ["set -eu"]
    for step in image.steps:
        if common := _shared(step):
            commands.append(f"cd {_SHARED} && cp {' '.join(common)} {step.folder}/")
    commands += [f"({run(image, step, TARGET, 'install.sh')})" for step in image.installs]
    commands += [f"({run(image, step, TARGET, script)})" for step, script in image.tests]
    commands += [f"echo {image.hash} > {FOLDER}/ready"]
    head = f"#cloud-config\n# {image.name}: {image.recipe.summary}\n"
    files = [_file(path, step, name) for path, (step, name) in {**shared, **own}.items()]
    return Spec({"user-data.yaml": head + dump({"write_files": files, "runcmd": commands})}, use=_USE)


Files = dict[str, tuple[Step, str]]
"""By path in the image: the step and the name that its file has there."""


def _files(image: Image) -> tuple[Files, Files]:
    """Files by path: the steps' own, and those that steps share, which are written once."""
    own: Files = {}
    shared: Files = {}
    for step in image.steps:
        common = _shared(step)
        own |= {f"{step.folder}/{name}": (step, name) for name in step.files if name not in common}
        shared |= {f"{_SHARED}/{name}": (step, name) for name in common}
    return own, shared


def _shared(step: Step) -> list[str]:
    return list(step.component.shared) if step.component else []


def _file(path: str, step: Step, name: str) -> dict[str, Any]:
    text = step.text(name)
    if text is None:
        return {"path": path, "encoding": "b64", "content": base64.b64encode(step.files[name]).decode()}
    return {"path": path, "content": text}
