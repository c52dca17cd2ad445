"""The cluster file as values: names, defaults and what each field admits. Frozen; unknown keys are refused."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dlcluster import catalog
from dlcluster.config.tags import check_tag
from dlcluster.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_TAG_TEXT = re.compile(r"[\w .:/=+@-]*", re.ASCII)


def _cidr(value: str) -> str:
    try:
        return str(IPv4Network(value))
    except ValueError as error:
        raise ValueError(f"expected an IPv4 range such as 203.0.113.7/32: {error}") from None


def _vpc_cidr(value: str) -> str:
    network = IPv4Network(_cidr(value))
    if not 16 <= network.prefixlen <= 26:
        raise ValueError(f"expected a range from /16 to /26, got {network}")
    return str(network)


def _image(value: str) -> str:
    known = r"ami-[0-9a-f]{8,17}|ssm:/[\w./-]+|recipe:[a-z][a-z0-9-]*"
    if re.fullmatch(known, value, re.ASCII) or catalog.image(value):
        return value
    guess = catalog.nearest(value, catalog.images())
    hint = f"; did you mean {guess}?" if guess else f"; names: {', '.join(catalog.images())}"
    raise ValueError(f"expected an image name, recipe:NAME, ami-... or ssm:/path, got {value!r}{hint}")


def _tags(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        check_tag(key, text)
        if not _TAG_TEXT.fullmatch(key + text):
            raise ValueError(f"expected letters, digits, spaces and _ . : / = + - @ only: {key!r}")
    return value


def _no_number(value: object) -> object:
    if type(value) is int:  # 1 == True would do for a Literal
        raise ValueError(f"expected 'auto', true or false, got {value}")
    return value


Cidr = Annotated[str, AfterValidator(_cidr)]
DiskGib = Annotated[int, Field(ge=8, le=16384)]
Switch = Annotated[Literal["auto", True, False], BeforeValidator(_no_number)]
Python = Annotated[str, Field(pattern=r"^/[\w./+-]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Head(_Model):
    """The node you log in to. It holds the rendezvous of jobs and does not train."""

    type: str = "t3.medium"
    """EC2 instance type of the head."""
    disk_gib: DiskGib = 100
    """Root disk in GiB (encrypted gp3)."""


class Workers(_Model):
    """The nodes that train: all alike."""

    type: str = "c7i.xlarge"
    """EC2 instance type of every worker."""
    count: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many workers, 1 to 1000."""
    disk_gib: DiskGib = 100
    """Root disk of each worker in GiB (encrypted gp3)."""
    spot: bool = False
    """Buy spot instances: cheaper, and AWS may take them back at two minutes' notice."""
    placement_group: Switch = "auto"
    """Put the workers close together. auto: when there are several and their type has EFA."""
    efa: Switch = "auto"
    """Elastic Fabric Adapter, one per network card. auto: when the type has it."""


class Network(_Model):
    """Where the cluster lives and who may reach it."""

    vpc_cidr: Annotated[str, AfterValidator(_vpc_cidr)] | None = None
    """Address range of the cluster's own VPC, /16 to /26. Unset: 10.0.0.0/16 on aws, a free 127.x.0.0/16 on local."""
    ssh_from: Annotated[tuple[Cidr, ...], Field(max_length=50)] = ()
    """Address ranges that may open SSH to the head, such as 203.0.113.7/32. Needed on aws."""
    zone: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """Availability zone. Unset: the first of the region."""


class Bucket(_Model):
    """The cluster's S3 bucket: code bundles, job records, results."""

    keep: bool = False
    """Leave the bucket and what is in it when the cluster is removed."""
    expire_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Code bundles are deleted after this many days. Job records and results stay."""


class ClusterConfig(_Model):
    """A deep-learning cluster: one head, N workers, one bucket, in a VPC of its own."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")] = "default"
    """Name of the cluster: a lower-case letter, then letters, digits and dashes; at most 31."""
    cloud: Literal["local", "aws"] = "local"
    """local: the embedded cloud on this machine. aws: the real one."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] = "us-east-1"
    """AWS region."""
    profile: str | None = None
    """Profile of the AWS credentials files. Unset: what the AWS SDK finds by itself."""
    image: Annotated[str, AfterValidator(_image)] = "dlami-pytorch"
    """Machine image: a name of the catalog, recipe:NAME, ami-..., or ssm:/path of a parameter that holds an AMI id."""
    images: str | None = None
    """Folder with image recipes of your own, besides those that ship with dlcluster."""
    python: Python | None = None
    """Path of the Python with torch on the nodes. Unset: the image's own."""
    head: Head = Head()
    workers: Workers = Workers()
    network: Network = Network()
    bucket: Bucket = Bucket()
    setup: tuple[str, ...] = ()
    """Shell lines that every node runs once at boot, as root on aws."""
    tags: Annotated[dict[str, str], AfterValidator(_tags), Field(max_length=40)] = {}
    """Tags for everything that the cluster creates."""

    def with_name(self, name: str) -> ClusterConfig:
        """The same cluster under another name. UserError when the name is not a cluster name."""
        if not NAME.fullmatch(name):
            raise UserError(
                f"{name!r} is not a cluster name",
                hint="a lower-case letter, then lower-case letters, digits and dashes; at most 31",
            )
        return self.model_copy(update={"name": name})

    @property
    def stack_name(self) -> str:
        return f"dlcluster-{self.name}"

    @property
    def recipe(self) -> str | None:
        """The image recipe that `image` names, or None."""
        return self.image.removeprefix("recipe:") if self.image.startswith("recipe:") else None

    @property
    def use_efa(self) -> bool:
        """Whether the workers get EFA interfaces: as asked, or when their type has them."""
        kind = catalog.instance_type(self.workers.type)
        return kind is not None and kind.efa and self.workers.efa is not False

    @property
    def use_placement_group(self) -> bool:
        """Whether the workers share a cluster placement group: as asked, or several workers with EFA."""
        if self.workers.placement_group == "auto":
            return self.use_efa and self.workers.count > 1
        return self.workers.placement_group

    @property
    def node_python(self) -> str:
        """Path of the Python with torch on an AWS node."""
        known = catalog.image(self.image)
        return self.python or (known.python if known else "/usr/bin/python3")


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the cluster file, for editors."""
    schema = ClusterConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "dlcluster cluster file"}
