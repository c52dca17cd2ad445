"""A cluster that is up, as the job functions need it: who its nodes are, its bucket, and the way in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlcluster.errors import Exit, UserError
from dlcluster.remote.keys import KeyPair
from dlcluster.remote.ssh import Gateway, Target

if TYPE_CHECKING:
    from dlcluster.cloud.fleet import Node
    from dlcluster.cloud.session import Session
    from dlcluster.cloud.store import Store


@dataclass(frozen=True)
class Cluster:
    """A handle on a running cluster. nodes: the head first, then the workers in order."""

    name: str
    session: Session
    store: Store
    nodes: list[Node]
    key: KeyPair

    @property
    def head(self) -> Node:
        """The head node. UserError NOT_FOUND when the cluster has none."""
        return self.node("head")

    @property
    def workers(self) -> list[Node]:
        """The nodes that train."""
        return [node for node in self.nodes if node.role == "worker"]

    def node(self, name: str) -> Node:
        """A node by its name. UserError NOT_FOUND names those that there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes) or "none"
        raise UserError(f"there is no node {name}", where=self.name, hint=f"its nodes: {names}", code=Exit.NOT_FOUND)

    def target(self, node: Node) -> Target:
        """How to reach a node: the head at its address for the outside, the others as the head sees them."""
        host = node.address if node.role == "head" else node.private_ip
        return Target(node.name, host, self.session.ssh_port, node.host_key)

    def gateway(self) -> Gateway:
        """A new way in; use it in a `with` statement."""
        return Gateway(self.target(self.head), self.key)
