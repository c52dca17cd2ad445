"""What can be told to be wrong with a cluster before anything is asked of a cloud."""

from __future__ import annotations

from collections.abc import Callable

from dlcluster.checks import images, machines, network
from dlcluster.checks.finding import Finding, Level, Said
from dlcluster.config import ClusterConfig

__all__ = ["RULES", "Finding", "run"]

RULES: dict[str, tuple[Level, Callable[[ClusterConfig], Said]]] = {
    "type-name": ("ERROR", machines.not_a_type),
    "type-unknown": ("WARNING", machines.type_not_in_catalog),
    "architecture": ("ERROR", images.architecture),
    "efa-unsupported": ("ERROR", machines.efa_unsupported),
    "efa-off": ("WARNING", machines.efa_off),
    "placement-group-alone": ("WARNING", machines.group_of_one),
    "placement-group-unsupported": ("ERROR", machines.group_unsupported),
    "spot-unavailable": ("ERROR", machines.no_spot),
    "reservation-only": ("WARNING", machines.by_reservation_only),
    "price-unknown": ("WARNING", machines.price_unknown),
    "gpu-driver": ("ERROR", images.driver_too_new),
    "no-gpu-driver": ("WARNING", images.no_gpu_driver),
    "no-torch": ("WARNING", images.no_torch),
    "disk-size": ("ERROR", images.disk_too_small),
    "setup-size": ("ERROR", images.setup_too_long),
    "ssh-missing": ("ERROR", network.ssh_from_nowhere),
    "ssh-open": ("WARNING", network.ssh_from_anywhere),
    "vpc-range": ("ERROR", network.range_not_for_this_cloud),
    "vpc-public": ("WARNING", network.range_not_private),
    "vpc-size": ("ERROR", network.range_too_small),
    "zone": ("ERROR", network.zone_elsewhere),
}
"""Every rule by name: its level, and the function that yields message and hint."""


def run(config: ClusterConfig) -> list[Finding]:
    """All findings of all rules, errors first. Offline: it looks at the cluster file and the catalog alone."""
    findings = [
        Finding(rule, level, message, hint) for rule, (level, check) in RULES.items() for message, hint in check(config)
    ]
    return sorted(findings, key=lambda finding: finding.level)
