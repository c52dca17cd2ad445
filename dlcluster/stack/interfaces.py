"""Network interfaces of a worker with EFA, one per network card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dlcluster.catalog import InstanceType, instance_types


@dataclass(frozen=True)
class Interface:
    """One interface: its card, its device index on the card, and its EC2 interface type."""

    card: int
    device: int
    kind: Literal["interface", "efa", "efa-only"]


def efa_interfaces(kind: InstanceType) -> list[Interface]:
    """The layout for a type: what AWS ParallelCluster 3.16 does for nodes in a private subnet.

    One card: one combined EFA interface. Several: card 0 carries IP, and every card that can has an EFA-only
    interface (no address) on device 1; device 0 of card 0 may not be EFA-only. A type with fewer EFA interfaces
    than cards (p6-b300) has none on card 0. Every type of the catalog admits two interfaces per card.
    """
    if kind.network_cards == 1:
        return [Interface(0, 0, "efa")]
    first = kind.network_cards - kind.efa_interfaces
    cards = range(first, kind.network_cards)
    return [Interface(0, 0, "interface"), *(Interface(card, 1, "efa-only") for card in cards)]


def same_layout(kind: InstanceType) -> list[str]:
    """Names of the types that take the same layout: a template made for one launches the others."""
    layout = efa_interfaces(kind)
    return [name for name, other in instance_types().items() if other.efa and efa_interfaces(other) == layout]
