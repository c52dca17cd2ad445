"""What a renderer returns, and the renderers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

from dlcluster.image.resolved import Image


@dataclass(frozen=True)
class Spec:
    """Text files by path; the first is the one to start with.

    context: the scripts that the files refer to, by their path below the folder that the tool is given. use: the
    command that takes it, with {folder}, {context} and {region} to be filled in.
    """

    files: dict[str, str]
    context: dict[str, bytes] = field(default_factory=dict)
    use: str = ""

    @property
    def main(self) -> str:
        return next(iter(self.files))


TARGETS = ("imagebuilder", "packer", "docker", "cloud-init")


def render(image: Image, target: str) -> Spec:
    """The spec of an image for one of TARGETS. A pure function of the image."""
    module = import_module(f"dlcluster.image.{target.replace('-', '')}")
    renderer: Callable[[Image], Spec] = module.render
    return renderer(image)


def context(image: Image) -> dict[str, bytes]:
    """The scripts of an image by their path below `images/`."""
    return {step.sources[name]: step.files[name] for step in image.steps for name in step.sources}
