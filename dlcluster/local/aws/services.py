"""The services that are ours: what a request does not find here goes to moto."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dlcluster.local.aws.addresses import Addresses
from dlcluster.local.aws.autoscaling import AutoScaling
from dlcluster.local.aws.budgets import Budgets
from dlcluster.local.aws.cloudformation import CloudFormation
from dlcluster.local.aws.described import InstanceDescriptions
from dlcluster.local.aws.endpoints import Endpoints
from dlcluster.local.aws.fsx import FileSystems
from dlcluster.local.aws.identity import Identity
from dlcluster.local.aws.images import ImageParameters, OwnImages
from dlcluster.local.aws.interfaces import Interfaces
from dlcluster.local.aws.janitor import Deletions
from dlcluster.local.aws.kinds import InstanceTypes
from dlcluster.local.aws.launch import Instances
from dlcluster.local.aws.network import Networks
from dlcluster.local.aws.options import InstanceOptions
from dlcluster.local.aws.placement import PlacementGroups
from dlcluster.local.aws.prices import PriceList, SpotPrices
from dlcluster.local.aws.quotas import ServiceQuotas
from dlcluster.local.aws.reservations import CapacityReservations
from dlcluster.local.aws.scaling_policies import ScalingPolicies
from dlcluster.local.aws.volumes import Volumes
from dlcluster.local.aws.vpc_options import VpcOptions

if TYPE_CHECKING:
    from dlcluster.local.aws.front import Emulator
    from dlcluster.local.aws.query import QueryService

# Several classes may share a service (by botocore's name): the first that implements an operation answers it.
SERVICES: dict[str, list[Callable[[Emulator], QueryService]]] = {
    "autoscaling": [ScalingPolicies, AutoScaling],
    "budgets": [Budgets],
    "cloudformation": [CloudFormation],
    "ec2": [
        Instances,
        InstanceDescriptions,
        InstanceOptions,
        InstanceTypes,
        OwnImages,
        SpotPrices,
        PlacementGroups,
        CapacityReservations,
        Addresses,
        Deletions,
        Interfaces,
        Endpoints,
        VpcOptions,
        Networks,
        Volumes,
    ],
    "fsx": [FileSystems],
    "ssm": [ImageParameters],
    "pricing": [PriceList],
    "service-quotas": [ServiceQuotas],
    "sts": [Identity],
}
