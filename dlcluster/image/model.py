"""`recipe.yaml` and `component.yaml` as values: names, defaults, what each field admits. Unknown keys are refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dlcluster.config.tags import check_tag
from dlcluster.image.platforms import PLATFORMS, Architecture, PlatformName

NAME = r"[a-z][a-z0-9-]{0,39}"
_FILE = r"^[\w][\w.-]*$"
_BASE = re.compile(r"ami-[0-9a-f]{8,17}|ssm:/[\w./-]+", re.ASCII)
ALL_PLATFORMS: tuple[PlatformName, ...] = tuple(platform.name for platform in PLATFORMS.values())


def _base(value: str) -> str:
    if value in PLATFORMS or _BASE.fullmatch(value):
        return value
    raise ValueError(f"expected {', '.join(PLATFORMS)}, ami-... or ssm:/path, got {value!r}")


def _tags(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        check_tag(key, text)
    return value


def _use(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=f"^{NAME}$")]
FileName = Annotated[str, Field(pattern=_FILE)]
Version = Annotated[str, Field(pattern=r"^[0-9][\w.+-]*$")]
Summary = Annotated[str, Field(min_length=1, max_length=200)]
OrganizationArn = Annotated[str, Field(pattern=r"^arn:aws[\w-]*:organizations::[0-9]{12}:organization/.+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Parameter(_Model):
    """A value that a recipe may set. The scripts get it as the environment variable PARAM_<NAME>."""

    type: Literal["string", "integer", "number", "boolean"] = "string"
    """What it may hold. Scripts get a boolean as `true` or `false`."""
    default: Any = None
    """Its value when the recipe says nothing. Without one, every recipe has to set it."""
    choices: tuple[Any, ...] = ()
    """The only values it may have. Empty: any of its type."""
    description: Annotated[str, Field(max_length=200)] = ""
    """What it is for."""


class Framework(_Model):
    """What a component that makes a framework's environment puts into the table of frameworks."""

    title: str
    """The framework's name, as people write it."""
    versions: Annotated[dict[str, str], Field(min_length=1)]
    """Package to version, as the script pins them."""
    python: str
    """The Python of the environment, such as 3.11; `-` where there is none."""
    status: Literal["alive", "retired"]
    """alive: still released. retired: kept for old work."""
    environment: str = ""
    """Folder of the environment in the image."""
    note: str = ""
    """What one has to know before using it."""


class Component(_Model):
    """One thing that is installed: `install.sh`, `test.sh`, and what must be known to put it into an image."""

    name: Name
    """Its name: that of the folder it is in."""
    version: Version
    """Version of what it installs."""
    summary: Summary
    """What it installs, in one line."""
    parameters: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Parameter] = {}
    """What a recipe may set, by name."""
    requires: tuple[Name, ...] = ()
    """Components that must be in the recipe, before this one."""
    after: tuple[Name, ...] = ()
    """Components that must come before this one where a recipe has both."""
    shared: tuple[FileName, ...] = ()
    """Files of `images/shared/` that are put beside the scripts."""
    size_gib: Annotated[float, Field(ge=0, le=500, strict=False)] = 0.1
    """About how much disk it takes once installed, in GiB."""
    platforms: Annotated[tuple[PlatformName, ...], Field(min_length=1)] = ALL_PLATFORMS
    """Operating systems that its scripts know."""
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)] = ("x86_64", "arm64")
    """Processor architectures that it can be had for."""
    framework: Framework | None = None
    """For a framework's environment: its row in the table."""


class Use(_Model):
    """A component in a recipe. A plain name stands for one with its default parameters."""

    name: Name
    """Which component."""
    parameters: dict[str, Any] = {}
    """Values for its parameters."""


class Share(_Model):
    """Who besides this account may launch the image."""

    accounts: tuple[Annotated[str, Field(pattern=r"^[0-9]{12}$")], ...] = ()
    """Account ids (12 digits, quoted)."""
    organizations: tuple[OrganizationArn, ...] = ()
    """ARNs of AWS Organizations."""
    public: bool = False
    """Everybody. AWS blocks this by default, account by account."""


class Missing(_Model):
    """Something one would look for in this image, and why it is not in it."""

    title: str
    """Its name."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it cannot be had."""


class Recipe(_Model):
    """A machine image: what it starts from, what is installed in which order, and who gets it."""

    name: Name
    """Its name: that of the folder it is in."""
    summary: Summary
    """What the image is for, in one line."""
    base: Annotated[str, AfterValidator(_base)] = "ubuntu-24.04"
    """What to start from: a distribution (its newest image), ami-..., or ssm:/path of a parameter with an AMI id."""
    platform: PlatformName | None = None
    """The operating system of a base that is an AMI or a parameter."""
    platforms: tuple[PlatformName, ...] = ()
    """Other operating systems that the recipe can be built on with --platform."""
    architecture: Architecture = "x86_64"
    """Processor architecture."""
    components: Annotated[
        tuple[Annotated[Use, BeforeValidator(_use, json_schema_input_type=str | Use)], ...],
        Field(min_length=1, max_length=20),
    ]
    """What is installed, in this order. EC2 Image Builder takes at most 20."""
    tests: tuple[FileName, ...] = ()
    """Test scripts beside the recipe, run after everything is installed."""
    root_gib: Annotated[int, Field(ge=8, le=16384)]
    """Root volume in GiB."""
    python: Annotated[str, Field(pattern=r"^/[\w./+-]+$")] = "/usr/bin/python3"
    """The Python that jobs run with on a cluster of this image."""
    build_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")] = "c7i.xlarge"
    """EC2 instance type that builds and tests it: one with a GPU where a test needs one."""
    build_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """About how long a build takes; for the estimate of its cost."""
    schedule: str | None = None
    """When the pipeline builds by itself, as an EC2 Image Builder cron expression. Unset: when asked."""
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")], ...] = ()
    """Regions that get a copy, besides the one it is built in."""
    share: Share = Share()
    tags: Annotated[dict[str, str], AfterValidator(_tags), Field(max_length=40)] = {}
    """Tags of the image."""
    missing: tuple[Missing, ...] = ()
    """What is not in it, with the reason."""


def json_schema(model: type[Recipe] | type[Component]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the recipe or component file, for editors."""
    schema = model.model_json_schema()
    title = f"dlcluster image {model.__name__.lower()}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
