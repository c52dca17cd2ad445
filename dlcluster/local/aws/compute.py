"""Emulated instances: their state, what their nodes need, and moto's bookkeeping of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dlcluster.local.aws.backend import Backend
from dlcluster.local.aws.instance import Instance, Launch, Notices, instance_view
from dlcluster.local.aws.interfaces import book
from dlcluster.local.aws.sessions import RoleSessions, instance_of
from dlcluster.local.aws.wire import AwsError

__all__ = ["Compute", "Instance", "Launch", "drop_orphan_tags"]

_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_CONSOLE_LIMIT = 64 * 1024  # EC2 keeps the last 64 KB
_REMEMBERED = timedelta(seconds=60)  # how long a terminated instance is still described (AWS: about an hour)


@dataclass
class _Life:
    launch: Launch
    console: str = ""
    ended: datetime | None = None
    notices: Notices = field(default_factory=Notices)
    boots: int = 0
    held: list[tuple[Any, str]] = field(default_factory=list)  # subnets and addresses, while it is remembered


class Compute:
    """All instances of the account, in every region.

    `on_state` is called after each `set_state`.
    """

    def __init__(self, backend: Backend, *, nodes: bool) -> None:
        self._backend = backend
        self._nodes = nodes
        self._lives: dict[str, _Life] = {}
        self._lock = threading.RLock()
        self.sessions = RoleSessions()
        self.placement_groups: dict[tuple[str, str], dict[str, Any]] = {}  # by region and name
        self.on_state: Callable[[], None] = lambda: None

    # -- for nodes --------------------------------------------------------------------------------

    def instances(self) -> list[Instance]:
        """Every instance, terminated ones included while EC2 still describes them."""
        with self._backend.lock:
            self.forget()
            return [self._instance(region, instance) for region, instance in self._all()]

    def set_state(self, instance_id: str, state: str, reason: str = "") -> None:
        """Move an instance to a state; `terminated` also gives back its volumes, addresses and interfaces.

        A node that comes up late changes nothing: only what is pending becomes running.
        Raises AwsError(InvalidInstanceID.NotFound) and ValueError for a state that EC2 does not have.
        """
        code = _CODES.get(state)
        if code is None:
            raise ValueError(f"no such instance state: {state}")
        with self._backend.lock:
            region, instance = self._find(instance_id)
            if state == "running" and instance._state.name != "pending":
                return
            if state == "terminated" and instance._state.name != "terminated":
                instance.terminate()
                self.ended(region, [instance_id])
            elif state == "stopped":
                instance.stop()
            instance._state.name, instance._state.code = state, code
            if reason:
                instance._reason = reason
                instance.state_reason.message = reason
                instance.state_reason.code = reason.split(":")[0]
        self.on_state()

    def set_console_output(self, instance_id: str, text: str) -> None:
        """Replace what GetConsoleOutput answers for an instance."""
        self._life(instance_id).console = text[-_CONSOLE_LIMIT:]

    def console_output(self, instance_id: str) -> str:
        """The console text of an instance; raises AwsError(InvalidInstanceID.NotFound)."""
        with self._backend.lock:
            self._find(instance_id)
        return self._life(instance_id).console

    def credentials(self, instance_id: str) -> dict[str, str]:
        """Role credentials as the instance metadata service answers them."""
        with self._backend.lock:
            role = self._role_of(self._find(instance_id)[1])
        return self.sessions.current(instance_id, role).document()

    @staticmethod
    def caller(access_key: str) -> str | None:
        """The instance whose role credentials an access key belongs to."""
        return instance_of(access_key)

    def find(self, instance_id: str) -> Instance | None:
        """An instance, or None for one that EC2 does not describe (any more)."""
        with self._backend.lock:
            found = next((pair for pair in self._all() if pair[1].id == instance_id), None)
            return self._instance(*found) if found else None

    def interrupt(self, instance_id: str, seconds: float = 120) -> None:
        """EC2 takes a spot instance back: its metadata tell the time, and `seconds` later it is terminated.

        Raises AwsError for an instance that is not spot or does not run.
        """
        with self._backend.lock:
            _, instance = self._find(instance_id)
            life = self._life(instance_id)
            if life.launch.market != "spot" or instance._state.name != "running":
                message = f"The instance '{instance_id}' is no running Spot Instance."
                raise AwsError("IncorrectInstanceState", message)
            now = datetime.now(UTC)
            due = now + timedelta(seconds=seconds)
            life.notices = Notices(interruption=due, rebalance=life.notices.rebalance or now)
        self._take_back_later(instance_id, due)
        self.on_state()

    def recommend_rebalance(self, instance_id: str) -> None:
        """EC2 tells a spot instance that it is at an elevated risk of interruption."""
        with self._backend.lock:
            self._find(instance_id)
            life = self._life(instance_id)
            life.notices = replace(life.notices, rebalance=datetime.now(UTC))
        self.on_state()

    def rebooted(self, instance_id: str) -> None:
        """An instance was rebooted: its node does the same."""
        self._life(instance_id).boots += 1

    def state(self, instance_id: str) -> str:
        """The state of an instance; raises AwsError(InvalidInstanceID.NotFound)."""
        with self._backend.lock:
            return str(self._find(instance_id)[1]._state.name)

    # -- for the EC2 front (the backend's lock is held) ------------------------------------------

    def launched(self, region: str, instance_ids: list[str], launch: Launch) -> None:
        """Complete new instances with what moto leaves out."""
        for instance_id in instance_ids:
            _, instance = self._find(instance_id)
            self._life(instance_id).launch = launch
            self._complete(region, instance, launch)
            self.starting(instance_id)

    def starting(self, instance_id: str) -> None:
        """An instance starts: with nodes it is pending until its node is up, and reachable by its address."""
        region, instance = self._find(instance_id)
        if self._nodes:
            instance._state.name, instance._state.code = "pending", _CODES["pending"]
        for interface in instance.nics.values():
            self.readdress(region, interface)

    def readdress(self, region: str, interface: Any) -> None:
        """Give an interface its public address: the elastic one, else with nodes the private one, if it has any."""
        elastic = [item for item in self._backend.ec2(region).addresses if item.eni is interface]
        if elastic:
            interface.public_ip = elastic[0].public_ip
        elif interface.public_ip and self._nodes:
            interface.public_ip = interface.private_ip_address

    def stopped(self, instance_id: str) -> None:
        """An instance was stopped: its elastic address stays with it."""
        region, instance = self._find(instance_id)
        for interface in instance.nics.values():
            self.readdress(region, interface)

    def ended(self, region: str, instance_ids: list[str]) -> None:
        """Instances were terminated.

        Interfaces that die with them are gone; the others are free. moto gives addresses back at once, and
        again when it drops the instance: here they are kept from others until the instance is forgotten.
        """
        backend = self._backend.ec2(region)
        drop_orphan_tags(backend)
        for instance_id in instance_ids:
            _, instance = self._find(instance_id)
            life = self._life(instance_id)
            life.ended = datetime.now(UTC)
            instance._private_ips.clear()
            for address in backend.addresses:
                if address.eni in instance.nics.values():
                    address.instance = address.eni = address.association_id = None
            for interface in list(instance.nics.values()):
                if interface.id in backend.enis:
                    interface.instance, interface.attachment_id = None, None
                    interface.status = "available"
                else:
                    backend.tags.pop(interface.id, None)
                    life.held += [(interface.subnet, row["PrivateIpAddress"]) for row in interface.private_ip_addresses]
            for subnet, address in life.held:
                subnet.request_ip(address, instance)

    def forget(self, age: timedelta = _REMEMBERED) -> None:
        """Drop instances that were terminated at least `age` ago, and give back their addresses."""
        limit = datetime.now(UTC) - age
        with self._lock:
            old = {key for key, life in self._lives.items() if life.ended and life.ended < limit}
            held = [pair for instance_id in old for pair in self._lives.pop(instance_id).held]
        for subnet, address in held:
            subnet.del_subnet_ip(address)
        if not old:
            return
        for backend in self._regions().values():
            for reservation in list(backend.reservations.values()):
                gone = [item for item in reservation.instances if item.id in old]
                reservation.instances = [item for item in reservation.instances if item.id not in old]
                for instance in gone:
                    backend.tags.pop(instance.id, None)
                if not reservation.instances:
                    del backend.reservations[reservation.id]

    def make_room(self, region: str, subnet_id: str, count: int) -> None:
        """Forget terminated instances at once when the subnet needs the addresses that they hold."""
        free = self._backend.ec2(region).get_subnet(subnet_id).available_ip_address_count
        with self._lock:
            held = sum(subnet.id == subnet_id for life in self._lives.values() for subnet, _ in life.held)
        if free - held < count:
            self.forget(timedelta(0))

    def restored(self) -> None:
        """After a restart an instance that ran is pending until its node is up again, as after a reboot."""
        for _, instance in list(self._all()):
            if instance._state.name == "running":
                self.starting(instance.id)
            if due := self._life(instance.id).notices.interruption:
                self._take_back_later(instance.id, due)

    def running(self, region: str) -> list[tuple[str, str]]:
        """Type and market of every instance of a region that takes vCPUs of a quota."""
        return [
            (instance.instance_type, self._life(instance.id).launch.market)
            for where, instance in self._all()
            if where == region and instance._state.name in ("pending", "running")
        ]

    def placed(self) -> Counter[tuple[str, str]]:
        """How many instances take capacity, by type and zone."""
        with self._backend.lock:
            return Counter(
                (instance.instance_type, instance.placement.zone)
                for _, instance in self._all()
                if instance._state.name in ("pending", "running")
            )

    def group_names(self, region: str) -> list[str]:
        """The names of the placement groups of a region."""
        return [name for where, name in self.placement_groups if where == region]

    def in_use(self, region: str, group_name: str) -> bool:
        """Whether an instance that lives is in the placement group."""
        return any(
            where == region and instance._placement.group_name == group_name and instance._state.name != "terminated"
            for where, instance in self._all()
        )

    # -- moto -------------------------------------------------------------------------------------

    def _complete(self, region: str, instance: Any, launch: Launch) -> None:
        backend = self._backend.ec2(region)
        interfaces = [item for item in backend.enis.values() if item.instance is instance]
        # Interfaces on several network cards share device indexes, and moto keeps one per index.
        instance.nics = dict(enumerate(interfaces))
        for number, interface in enumerate(interfaces):
            book(interface, frozenset(() if number else instance._private_ips))
        for interface, kind in zip(interfaces, launch.interface_types, strict=False):
            interface.interface_type = kind
        for interface in interfaces:
            interface.add_tags(launch.interface_tags)
        if not instance.security_groups:
            instance.security_groups = list(interfaces[0]._group_set)
        instance._placement.group_name = launch.group_name
        if launch.profile:
            backend.associate_iam_instance_profile(instance.id, iam_instance_profile_name=launch.profile)

    def _instance(self, region: str, instance: Any) -> Instance:
        life = self._life(instance.id)
        role = self._role_of(instance)
        return instance_view(region, instance, life.launch, life.notices, life.boots, role)

    def _take_back_later(self, instance_id: str, due: datetime) -> None:
        def take_back() -> None:
            time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
            with suppress(AwsError):  # it is gone already
                if self.state(instance_id) not in ("terminated", "shutting-down"):
                    self.set_state(
                        instance_id, "terminated", "Server.SpotInstanceTermination: Spot instance termination"
                    )

        threading.Thread(target=take_back, name=f"interrupt {instance_id}", daemon=True).start()

    def _role_of(self, instance: Any) -> str | None:
        """The name of an instance's role: the one of its instance profile."""
        arn = (instance.iam_instance_profile or {}).get("Arn")
        return self._backend.profile_role(arn.rpartition("/")[2]) if arn else None

    def _life(self, instance_id: str) -> _Life:
        with self._lock:
            return self._lives.setdefault(instance_id, _Life(Launch()))

    def _find(self, instance_id: str) -> tuple[str, Any]:
        for region, instance in self._all():
            if instance.id == instance_id:
                return region, instance
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")

    def _all(self) -> Iterator[tuple[str, Any]]:
        for region, backend in self._regions().items():
            for reservation in list(backend.reservations.values()):
                for instance in reservation.instances:
                    yield region, instance

    def _regions(self) -> dict[str, Any]:
        return self._backend.ec2_regions()


def drop_orphan_tags(ec2: Any) -> None:
    """Drop the tags of volumes and key pairs that are gone: moto keeps them."""
    known = {*ec2.volumes, *(pair.id for pair in ec2.key_pairs.values())}
    for resource_id in [key for key in ec2.tags if key.startswith(("vol-", "key-")) and key not in known]:
        del ec2.tags[resource_id]
