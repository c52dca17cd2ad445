"""The shell words that every spec runs a step with."""

from __future__ import annotations

from shlex import quote

from dlcluster.image.resolved import Image, Step


def assignments(image: Image, step: Step, target: str) -> str:
    """`NAME=value NAME=value` for the step's scripts, quoted."""
    return " ".join(f"{name}={quote(value)}" for name, value in image.environment(step, target).items())


def run(image: Image, step: Step, target: str, script: str) -> str:
    """The command that runs `install.sh` or `test.sh` of a step in its folder."""
    return f"cd {step.folder} && env {assignments(image, step, target)} bash {script}"
