"""Operations during which another one of the same resources begins and ends."""

from dataclasses import dataclass
from functools import partial

import pytest

from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import Port
from pileus.domain.network.routers import Router
from pileus.domain.tasks import Task
from tests.builders import (
    a_floating_ip,
    a_network,
    a_port,
    a_security_group,
    an_instance,
    driver_of,
    list_addresses,
    list_ports,
)
from tests.networks import a_router, get_view
from tests.tasks.idle_clouds import IdleCloud
from tests.tasks.modified_steps import not_yet_done_once, unchanged, with_step
from tests.tasks.workers import LEASE


async def list_nic_groups(idle: IdleCloud, port: Port) -> list[str] | None:
    """Return the security groups of an interface in the driver, or None if it is not attached."""
    nic = await driver_of(idle.tenant.running).find_nic(port.id)
    return None if nic is None else list(nic.groups)


async def test_an_older_update_of_security_groups_does_not_last(
    idle: IdleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await an_instance(idle.tenant)
    (port,) = await list_ports(idle.tenant, instance)
    kept, removed = await a_security_group(idle.tenant, "kept", port), await a_security_group(idle.tenant, "removed")
    path = idle.tenant.path("instances", instance.id)
    remove = partial(idle.perform, "POST", f"{path}/delsecuritygroup", {"name": removed.name})
    idle.before_first_call(monkeypatch, "ensure_interface", remove)

    task = await idle.perform("POST", f"{path}/addsecuritygroup", {"name": removed.name})

    assert task.state == "FINISHED"
    assert await list_nic_groups(idle, port) == [kept.id]


@pytest.mark.parametrize("is_slow", [False, True])
async def test_an_interface_that_is_detached_during_an_update_stays_so(
    idle: IdleCloud, monkeypatch: pytest.MonkeyPatch, *, is_slow: bool
) -> None:
    """Also if the update attaches it between the last step of the detachment and its end."""
    instance = await an_instance(idle.tenant)
    (port,) = await list_ports(idle.tenant, instance)
    await a_security_group(idle.tenant, "web")
    (ip,) = await list_addresses(idle.tenant, port)
    path, body = idle.tenant.path("instances", instance.id), {"port_id": port.id, "ip_address": ip}
    operation = with_step("detach_vm_interface", 1, not_yet_done_once if is_slow else unchanged)
    detach = partial(idle.perform, "POST", f"{path}/detach_interface", body, operation=operation)
    idle.before_first_call(monkeypatch, "ensure_interface", detach)

    task = await idle.perform("POST", f"{path}/addsecuritygroup", {"name": "web"})
    idle.clock.advance(LEASE)
    await idle.tenant.running.engine.run_until_idle()
    idle.clock.advance(LEASE)
    await idle.tenant.running.engine.run_until_idle()

    assert (await idle.load_task(task.id)).state == "FINISHED"
    assert await idle.list_locked_rows() == []
    assert await list_nic_groups(idle, port) is None


@dataclass(slots=True)
class RouterChange:
    """An update of a floating IP that needs a router, and one of the router that removes what the former needs."""

    idle: IdleCloud
    router: Router
    subnet: Subnet
    port: Port
    floating_ip: FloatingIP

    async def assign(self) -> Task:
        """Assign the floating IP to the port."""
        path = self.idle.tenant.path("floatingips", self.floating_ip.id, version=2)
        return await self.idle.perform("PATCH", path, {"port_id": self.port.id})

    async def detach(self) -> Task:
        """Detach the subnet of the port from the router."""
        path = self.idle.tenant.path("routers", self.router.id, "detach")
        return await self.idle.perform("POST", path, {"subnet_id": self.subnet.id})

    async def remove_gateway(self) -> Task:
        """Remove the external gateway of the router."""
        path = self.idle.tenant.path("routers", self.router.id, version=2)
        return await self.idle.perform("PATCH", path, {"external_gateway_info": None})


@pytest.fixture
async def router_change(idle: IdleCloud) -> RouterChange:
    """A router in the subnet of a port, and an unassigned floating IP."""
    _, (subnet,) = await a_network(idle.tenant)
    router = await a_router(idle.tenant, subnet)
    port = await a_port(idle.tenant, subnet, await an_instance(idle.tenant))
    return RouterChange(idle, router, subnet, port, await a_floating_ip(idle.tenant))


@pytest.mark.parametrize("change", ["detach", "remove_gateway"])
async def test_a_floating_ip_is_not_assigned_where_the_router_has_gone_meanwhile(
    idle: IdleCloud, router_change: RouterChange, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    ended: list[Task] = []

    async def change_router() -> None:
        ended.append(await getattr(router_change, change)())

    idle.before_first_call(monkeypatch, "ensure_floating_ip", change_router)

    failed = await router_change.assign()

    assert [failed.state, ended[0].state] == ["ERROR", "FINISHED"]
    view = await get_view(idle.tenant, "floatingips", router_change.floating_ip.id)
    assert (view["status"], view["port_id"]) == ("DOWN", None)
    assert await driver_of(idle.tenant.running).find_floating_ip(view["id"]) is None


@pytest.mark.parametrize("change", ["detach", "remove_gateway"])
async def test_a_router_keeps_what_a_floating_ip_needs_since(
    idle: IdleCloud, router_change: RouterChange, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    before = await get_view(idle.tenant, "routers", router_change.router.id)
    ended: list[Task] = []

    async def assign() -> None:
        ended.append(await router_change.assign())

    idle.before_first_call(monkeypatch, "ensure_router", assign)

    failed = await getattr(router_change, change)()

    assert [failed.state, ended[0].state] == ["ERROR", "FINISHED"]
    after = await get_view(idle.tenant, "routers", router_change.router.id)
    kept = ("interfaces", "external_gateway_info", "status", "task_id")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert (await get_view(idle.tenant, "floatingips", router_change.floating_ip.id))["status"] == "ACTIVE"
