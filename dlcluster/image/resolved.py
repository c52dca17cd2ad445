"""A recipe with everything that it refers to: what renderers and builders work on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from dlcluster.image.model import Component, Recipe
from dlcluster.image.platforms import PLATFORMS, Platform

FOLDER = "/opt/dlcluster/image"
"""Where the scripts lie in an image, a folder for each step."""
RECIPE_TAG = "dlcluster:recipe"
HASH_TAG = "dlcluster:recipe-hash"
WHOLE = "whole_image"
"""Name of the step that holds the recipe's own tests. No component can have it."""


@dataclass(frozen=True)
class Step:
    """One component of an image, or the recipe's own tests.

    parameters: the PARAM_ variables. files: content by name. sources: the path of each file below `images/`. tests: the
    scripts that test it, in order. component: None for the recipe's own tests, which install nothing.
    """

    name: str
    parameters: dict[str, str]
    files: dict[str, bytes]
    sources: dict[str, str]
    component: Component | None
    tests: tuple[str, ...] = ("test.sh",)

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.name}"

    def text(self, name: str) -> str | None:
        """A file as text; None for one that is not."""
        try:
            text = self.files[name].decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text


def _digests(step: Step) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in step.files.items()}


@dataclass(frozen=True)
class Image:
    """A recipe that is right, for one platform. `base` is the recipe's, or the platform that was asked for."""

    recipe: Recipe
    base: str
    platform: Platform
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def installs(self) -> list[Step]:
        """The steps with an install script, in order."""
        return [step for step in self.steps if step.component]

    @property
    def tests(self) -> list[tuple[Step, str]]:
        """Every test script with its step, in order."""
        return [(step, script) for step in self.steps for script in step.tests]

    @property
    def parent(self) -> str:
        """The AMI to start from: ami-... or ssm:/path."""
        return f"ssm:{self.platform.ssm_parameter(self.recipe.architecture)}" if self.base in PLATFORMS else self.base

    @cached_property
    def hash(self) -> str:
        """16 hex digits that change with everything that ends up in the image, and with nothing else.

        In it: base, platform, architecture, root size, Python, and every step's name, parameters and files, in order.
        Not in it: who gets the image, its tags, where and when it is built, and what is said about it.
        """
        content = {
            "base": [self.base, self.platform.name, self.recipe.architecture],
            "root_gib": self.recipe.root_gib,
            "python": self.recipe.python,
            "steps": [[step.name, step.parameters, _digests(step), step.tests] for step in self.steps],
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def environment(self, step: Step, target: str) -> dict[str, str]:
        """The variables that a step's scripts get."""
        return {
            "HOME": "/root",  # which cloud-init, as any system service, does not set
            "IMAGE_TARGET": target,
            "IMAGE_PLATFORM": self.platform.name,
            "IMAGE_ARCHITECTURE": self.recipe.architecture,
            **step.parameters,
        }

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every image built from it."""
        own = {"Name": f"dlcluster-{self.name}", **self.recipe.tags}
        return {**own, RECIPE_TAG: self.name, HASH_TAG: self.hash}
