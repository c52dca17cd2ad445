"""Work on a graph: what is ready runs at once in a small pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

WORKERS = 8

Node = TypeVar("Node", bound=Hashable)


def run_graph(
    graph: Mapping[Node, set[Node]],
    work: Callable[[Node], bool],
    *,
    stop: Callable[[], bool] = lambda: False,
) -> list[Node]:
    """Call work(node) for every node after all that it needs; answer the nodes for which it was False.

    A node that needs a failed one is not started. Once stop() holds nothing more is started.
    """
    waiting = {node: set(needs) & graph.keys() for node, needs in graph.items()}
    failed: list[Node] = []
    running: dict[Future[bool], Node] = {}
    with ThreadPoolExecutor(WORKERS, "cloudformation") as pool:
        while True:
            ready = [] if stop() else [node for node, needs in waiting.items() if not needs]
            for node in ready:
                del waiting[node]
                running[pool.submit(work, node)] = node
            if not running:
                return failed
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                node = running.pop(future)
                if future.result():
                    for needs in waiting.values():
                        needs.discard(node)
                else:
                    failed.append(node)
