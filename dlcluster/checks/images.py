"""Rules on the machine image and what the nodes run at boot."""

from __future__ import annotations

from dlcluster.catalog import image, images, instance_type
from dlcluster.checks.finding import Said
from dlcluster.checks.machines import types_of
from dlcluster.config import ClusterConfig

SETUP_LIMIT = 4096
"""Bytes of setup lines. EC2 takes 16 KB of user data, and the boot script with its agent needs the rest."""

_NEURON = ("trn", "inf")


def architecture(config: ClusterConfig) -> Said:
    known = image(config.image)
    kinds = {key: kind for key, name in types_of(config).items() if (kind := instance_type(name))}
    if known is None:
        if len({kind.architecture for kind in kinds.values()}) > 1:
            yield "head.type and workers.type differ in architecture, and they share one image", "take one kind"
        return
    for key, kind in kinds.items():
        if kind.architecture != known.architecture:
            fit = [name for name, other in images().items() if other.architecture == kind.architecture]
            yield (
                f"{key}: {kind.name} is {kind.architecture}, the image {known.name} is {known.architecture}",
                f"images for it: {', '.join(fit)}",
            )


def driver_too_new(config: ClusterConfig) -> Said:
    known, kind = image(config.image), instance_type(config.workers.type)
    if known and known.driver == "nvidia-open" and kind and kind.gpu_name == "V100":
        yield (
            f"image: {known.name} has NVIDIA's open driver, which does not know the V100 of {kind.name}",
            "give the AMI id of an image with the proprietary driver, or take a g or newer p type",
        )


def no_gpu_driver(config: ClusterConfig) -> Said:
    known, kind = image(config.image), instance_type(config.workers.type)
    if known and kind and kind.gpus and (known.driver == "none" or kind.name.startswith(_NEURON)):
        yield f"image: {known.name} has no driver for the {kind.gpu_name} of {kind.name}", "install it in `setup`"


def no_torch(config: ClusterConfig) -> Said:
    if (
        config.recipe is None
        and config.cloud == "aws"
        and config.python is None
        and config.node_python == "/usr/bin/python3"
    ):
        yield (
            f"image: jobs on {config.image} run /usr/bin/python3, which may lack torch",
            "set `python`, or install torch in `setup`",
        )


def disk_too_small(config: ClusterConfig) -> Said:
    known = image(config.image)
    disks = {"head.disk_gib": config.head.disk_gib, "workers.disk_gib": config.workers.disk_gib}
    for key, size in disks.items():
        if known and size < known.disk_gib:
            yield f"{key}: {size} GiB is less than the {known.disk_gib} GiB of {known.name}", ""


def setup_too_long(config: ClusterConfig) -> Said:
    size = len("\n".join(config.setup).encode())
    if size > SETUP_LIMIT:
        yield (
            f"setup: {size} bytes, and {SETUP_LIMIT} fit into the user data of an instance",
            "put the lines into a script, store it somewhere, and fetch it in `setup`",
        )
