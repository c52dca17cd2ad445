"""A Dockerfile: the same components and tests in a container image."""

from __future__ import annotations

from dlcluster.image.resolved import Image, Step
from dlcluster.image.shell import assignments
from dlcluster.image.spec import Spec, context

TARGET = "docker"


def render(image: Image) -> Spec:
    """A Dockerfile whose build context is the `images` folder, or the folder that the spec is written to."""
    lines = [
        "# syntax=docker/dockerfile:1",
        f"# {image.name}: {image.recipe.summary}",
        f"FROM {image.platform.docker}",
        "",
        f"LABEL dlcluster.recipe={image.name} dlcluster.recipe-hash={image.hash}",
        'SHELL ["/bin/bash", "-euo", "pipefail", "-c"]',
    ]
    for step in image.steps:
        lines += ["", f"# {step.component.summary}"] if step.component else [""]
        lines += [f"WORKDIR {step.folder}", f"COPY {' '.join(sorted(step.sources.values()))} ./"]
        if step.component:
            lines.append(_run(image, step, "install.sh"))
    lines += ["", "# Tests, in the same order"]
    for step, script in image.tests:
        lines += [f"WORKDIR {step.folder}", _run(image, step, script)]
    lines += ["", "WORKDIR /", 'CMD ["/bin/bash"]', ""]
    platform = "arm64" if image.recipe.architecture == "arm64" else "amd64"
    use = f"docker build --platform linux/{platform} -f {{folder}}/Dockerfile {{context}}"
    return Spec({"Dockerfile": "\n".join(lines)}, context(image), use)


def _run(image: Image, step: Step, script: str) -> str:
    return f"RUN {assignments(image, step, TARGET)} bash {script}"
