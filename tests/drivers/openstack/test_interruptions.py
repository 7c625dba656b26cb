"""A creation that is interrupted after each of its changes, and then repeated by another process.

The answer to a change is lost: the process has crashed, or the connection has broken. The recordings are of a real
cloud that was interrupted in the same way, so its answers after the interruption are those of OpenStack.
"""

import uuid

import pytest
from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverUnreachable
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.testing.conformance.fixtures import MakeDriver
from pileus.testing.conformance.helpers import create_network_with_subnet, new_disk, new_machine, new_nic
from tests.drivers.openstack.exchanges import ExchangeServer

CHANGES = (
    "the security group is created",
    "its first own rule is removed",
    "its second own rule is removed",
    "its rules are added",
    "its description is set",
    "the volume is created",
    "the volume becomes bootable",
    "the port is created",
    "the key is created",
    "the server is created",
    "the key is deleted",
)
AFTER_EACH_CHANGE = pytest.mark.parametrize(
    "number", range(1, len(CHANGES) + 1), ids=[name.replace(" ", "_") for name in CHANGES]
)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcxJzgFsUMMKUnJpYbBVqqnSgbjCpdLkAcSyaaLkEZB key"
SSH = NewRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22)


class Creation(Struct, frozen=True):
    """What a creation brings about, in the order of its task."""

    group: SecurityGroupSpec
    disk: DiskSpec
    machine: MachineSpec

    async def perform(self, driver: Openstack) -> None:
        """Bring it about."""
        await driver.ensure_security_group(self.group)
        await driver.ensure_volume(self.disk)
        await driver.ensure_running_machine(self.machine)

    async def undo(self, driver: Openstack) -> None:
        """Delete it."""
        await driver.ensure_no_machine(self.machine.id)
        await driver.ensure_no_volume(self.disk.id)
        await driver.ensure_no_security_group(self.group.id)

    async def count(self, driver: Openstack) -> dict[str, int]:
        """Return how much of it OpenStack has, by kind."""
        (nic,) = self.machine.nics
        lists: dict[str, tuple[str, str, dict[str, str]]] = {
            "servers": ("compute", "/servers", {"tags": engine_name(self.machine.id)}),
            "volumes": ("block-storage", "/volumes", {"name": engine_name(self.disk.id)}),
            "ports": ("network", "/ports", {"name": engine_name(nic.port_id)}),
            "security_groups": ("network", "/security-groups", {"name": engine_name(self.group.id)}),
        }
        return {
            kind: len((await driver.cloud.get(service, path, **names))[kind])
            for kind, (service, path, names) in lists.items()
        }


async def new_creation(driver: Openstack) -> Creation:
    """Return a machine with a volume of its own, a port in a new network, a group and a key."""
    nic = new_nic(await create_network_with_subnet(driver), "00:16:3e:00:00:0a", "10.0.0.10")
    disk = new_disk(size=1, boot_index=0)
    group = SecurityGroupSpec(id=str(uuid.uuid4()), name="web", rules=[SSH])
    machine = new_machine(disks=[disk], nics=[replace(nic, groups=[group.id])], ssh_public_key=PUBLIC_KEY)
    return Creation(group, disk, machine)


async def interrupt_creation(driver: Openstack, cloud_server: ExchangeServer, number: int) -> Creation:
    """Return a creation whose driver has lost the answer to one of its changes."""
    creation = await new_creation(driver)
    cloud_server.changes_until_loss = number
    with pytest.raises(DriverUnreachable):
        await creation.perform(driver)
    return creation


@AFTER_EACH_CHANGE
async def test_a_creation_goes_on_after_any_of_its_changes(
    make_driver: MakeDriver, cloud_server: ExchangeServer, number: int
) -> None:
    creation = await interrupt_creation(await make_driver(), cloud_server, number)
    second = await make_driver()
    await creation.perform(second)

    assert cloud_server.changes_until_loss == 0
    assert await creation.count(second) == {"servers": 1, "volumes": 1, "ports": 1, "security_groups": 1}
    await creation.undo(second)
    assert set((await creation.count(second)).values()) == {0}


@AFTER_EACH_CHANGE
async def test_an_interrupted_creation_is_undone_completely(
    make_driver: MakeDriver, cloud_server: ExchangeServer, number: int
) -> None:
    creation = await interrupt_creation(await make_driver(), cloud_server, number)
    second = await make_driver()
    await creation.undo(second)

    assert set((await creation.count(second)).values()) == {0}
