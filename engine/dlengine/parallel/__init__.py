"""Ranks: who they are, and what they exchange."""

from __future__ import annotations

from dlengine.parallel.group import Group, Vote
from dlengine.parallel.place import Place, read_place

__all__ = ["Group", "Place", "Vote", "read_place"]
