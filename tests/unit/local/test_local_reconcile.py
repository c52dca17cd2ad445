"""The reconciler with made-up nodes: whatever it missed, nodes end up as instances say."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, replace

import pytest

from dlcluster.local import reconcile
from dlcluster.local.reconcile import Reconciler


@dataclass(frozen=True)
class Instance:
    id: str
    state: str = "pending"
    private_ip: str = "127.1.0.4"
    boots: int = 0
    public_ip: str | None = None


class Compute:
    def __init__(self) -> None:
        self.found: dict[str, Instance] = {}
        self.reasons: dict[str, str] = {}
        self.looks = threading.Event()  # cleared: a look waits, its answer already taken
        self.looks.set()

    def instances(self):
        answer = list(self.found.values())
        self.looks.wait(10)
        return answer

    def set_state(self, identity, state, reason=""):
        self.found[identity] = replace(self.found[identity], state=state)
        self.reasons[identity] = reason

    def ask(self, identity, state):
        self.found[identity] = Instance(identity, state)


class Node:
    """Stands for a node; `log` is the history of all."""

    log: list[tuple[str, str]]
    broken: set[str]

    def __init__(self, site, instance, layout, on_death):
        self.instance, self.layout, self.die = instance, layout, on_death

    async def start(self, *, run_user_data):
        if self.instance.id in self.broken:
            raise OSError("no such address")
        self.layout.directory.mkdir(parents=True, exist_ok=True)
        self.log.append((self.instance.id, "boot" if run_user_data else "start"))

    async def stop(self):
        self.log.append((self.instance.id, "stop"))


class Bench:
    def __init__(self, directory):
        self.compute = Compute()
        self.directory = directory
        self.reconciler = Reconciler(type("Site", (), {"compute": self.compute}), directory)

    async def settle(self):
        """Steps until nothing is left to do."""
        for _ in range(4):
            await self.reconciler.step()
            while self.reconciler._busy:
                await asyncio.sleep(0.001)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Runs a scenario with a bench."""
    monkeypatch.setattr(reconcile, "Node", Node)
    Node.log, Node.broken = [], set()

    def run(scenario):
        async def main():
            await scenario(Bench(tmp_path))

        asyncio.run(main())
        return Node.log

    return run


def test_a_pending_instance_gets_a_node_and_runs(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        assert it.compute.found["i-1"].state == "running"

    assert bench(scenario) == [("i-1", "boot")]


def test_many_start_side_by_side(bench):
    async def scenario(it):
        for number in range(64):
            it.compute.ask(f"i-{number}", "pending")
        await it.reconciler.step()
        assert len(it.reconciler._busy) == 64
        await it.settle()

    assert len(bench(scenario)) == 64


@pytest.mark.parametrize("end", ["shutting-down", "terminated", "forgotten"])
def test_an_instance_that_ends_loses_its_node_and_its_files(bench, end):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        assert (it.directory / "i-1").exists()
        it.compute.ask("i-1", end)
        if end == "forgotten":
            del it.compute.found["i-1"]
        await it.settle()
        assert not (it.directory / "i-1").exists()

    assert bench(scenario) == [("i-1", "boot"), ("i-1", "stop")]


def test_a_stopped_instance_keeps_its_files_and_does_not_boot_again(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.compute.ask("i-1", "stopped")
        await it.settle()
        assert (it.directory / "i-1").exists()
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.compute.ask("i-1", "stopped")
        await it.settle()
        it.compute.ask("i-1", "terminated")
        await it.settle()
        assert not (it.directory / "i-1").exists()

    assert bench(scenario) == [("i-1", what) for what in ("boot", "stop", "start", "stop")]


def test_a_stop_and_start_between_two_looks_is_a_power_cycle(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.compute.ask("i-1", "pending")
        await it.settle()
        assert it.compute.found["i-1"].state == "running"

    assert bench(scenario) == [("i-1", "boot"), ("i-1", "stop"), ("i-1", "start")]


def test_a_reboot_keeps_the_files_and_the_state(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.compute.found["i-1"] = replace(it.compute.found["i-1"], boots=1)
        await it.settle()
        await it.settle()
        assert it.compute.found["i-1"].state == "running"

    assert bench(scenario) == [("i-1", "boot"), ("i-1", "stop"), ("i-1", "start")]


def test_a_look_from_before_a_node_was_up_does_not_restart_it(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.reconciler.step()
        it.compute.looks.clear()
        late = asyncio.create_task(it.reconciler.step())  # sees `pending`
        while it.compute.found["i-1"].state != "running":
            await asyncio.sleep(0.001)
        while it.reconciler._busy:
            await asyncio.sleep(0.001)
        it.compute.looks.set()
        await late
        await it.settle()

    assert bench(scenario) == [("i-1", "boot")]


def test_an_instance_that_ended_while_its_node_started_loses_it(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.reconciler.step()
        it.compute.set_state = lambda *_: None  # as the emulator: what has ended does not run again
        it.compute.ask("i-1", "terminated")
        await it.settle()
        assert it.reconciler.nodes == {}

    assert bench(scenario) == [("i-1", "boot"), ("i-1", "stop")]


def test_a_node_that_cannot_start_ends_its_instance_with_the_reason(bench):
    async def scenario(it):
        Node.broken.add("i-1")
        it.compute.ask("i-1", "pending")
        await it.settle()
        assert it.compute.found["i-1"].state == "terminated"
        assert "no such address" in it.compute.reasons["i-1"]

    assert bench(scenario) == []


def test_a_node_that_dies_ends_its_instance(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.reconciler.nodes["i-1"].die()
        await it.settle()
        assert it.compute.found["i-1"].state == "terminated"
        assert "killed" in it.compute.reasons["i-1"]

    assert bench(scenario) == [("i-1", "boot"), ("i-1", "stop")]


def test_the_end_stops_every_node_even_one_that_is_starting(bench):
    async def scenario(it):
        it.compute.ask("i-1", "pending")
        await it.settle()
        it.compute.ask("i-2", "pending")
        await it.reconciler.step()
        await it.reconciler.close()
        assert it.reconciler.nodes == {}

    assert sorted(bench(scenario)) == sorted([(i, what) for i in ("i-1", "i-2") for what in ("boot", "stop")])


def test_a_failing_look_does_not_end_the_loop(bench, caplog):
    async def scenario(it):
        look, it.compute.instances = it.compute.instances, lambda: 1 / 0
        running = asyncio.create_task(it.reconciler.run())
        while "division" not in caplog.text:
            await asyncio.sleep(0.001)
        it.compute.instances = look
        it.compute.ask("i-1", "pending")
        it.reconciler.changed()
        while it.compute.found["i-1"].state != "running":
            await asyncio.sleep(0.001)
        running.cancel()

    assert bench(scenario) == [("i-1", "boot")]
