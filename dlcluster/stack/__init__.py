"""ClusterConfig to a CloudFormation template, its parameters and its hourly cost. Pure."""

from __future__ import annotations

from dlcluster.config.ranges import DEFAULT_VPC_CIDR
from dlcluster.stack.cost import CostLine, hourly_cost, total_cost
from dlcluster.stack.names import CLUSTER_TAG, HOST_KEY_TAG, ROLE_TAG, STATE_TAG, stack_tags
from dlcluster.stack.template import build_template, image_parameter, parameters, to_json
from dlcluster.stack.userdata import user_data

__all__ = [
    "CLUSTER_TAG",
    "DEFAULT_VPC_CIDR",
    "HOST_KEY_TAG",
    "ROLE_TAG",
    "STATE_TAG",
    "CostLine",
    "build_template",
    "hourly_cost",
    "image_parameter",
    "parameters",
    "stack_tags",
    "to_json",
    "total_cost",
    "user_data",
]
