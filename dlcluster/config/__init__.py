"""The cluster file: read, checked and explained."""

from __future__ import annotations

from dlcluster.config.load import default_cluster, load_cluster, parse_cluster
from dlcluster.config.model import ClusterConfig, json_schema
from dlcluster.config.starter import starter_file

__all__ = [
    "ClusterConfig",
    "default_cluster",
    "json_schema",
    "load_cluster",
    "parse_cluster",
    "starter_file",
]
