"""Operations during which another one of the same resources begins and ends."""

from functools import partial

import pytest

from pileus.domain.network.ports import Port
from tests.builders import a_security_group, an_instance, driver_of, list_addresses, list_ports
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
