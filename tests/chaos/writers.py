"""Clients that send changes without a pause, and note in a ledger what was acknowledged.

Each writer runs until its connection breaks. Only what a writer has created itself, or what `Stage` lists for it, is
changed, so that no change is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.balancers import MEMBER, MONITOR, POOL
from tests.certificates import A_CERTIFICATE
from tests.chaos.installations import PLACE
from tests.chaos.ledgers import Creation, Ledger
from tests.orders import an_order, boot

KEYS = tuple(f"counter-{number}" for number in range(4))
LISTENER = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
ENDED = ("FINISHED", "ERROR")
RULE = {"direction": "ingress", "protocol": "tcp", "ethertype": "IPv4"}
CREATIONS: dict[str, tuple[Any, Creation]] = {
    "/cloud/v2/instances": (
        an_order(volumes=[boot(delete_on_termination=True)]),
        Creation("instances", f"/cloud/v1/instances/{PLACE}"),
    ),
    "/cloud/v1/volumes": (
        {"name": "data", "source": "new-volume", "size": 1},
        Creation("volumes", f"/cloud/v1/volumes/{PLACE}"),
    ),
    "/cloud/v1/floatingips": ({}, Creation("floatingips", f"/cloud/v1/floatingips/{PLACE}")),
    "/cloud/v1/reserved_fixed_ips": (
        {"type": "external"},
        Creation("ports", f"/cloud/v1/reserved_fixed_ips/{PLACE}"),
    ),
    "/cloud/v1/networks": (
        {"name": "inside", "create_router": False},
        Creation("networks", f"/cloud/v1/networks/{PLACE}"),
    ),
    "/cloud/v1/loadbalancers": (
        {
            "name": "web",
            "listeners": [{**LISTENER, "pools": [{**POOL, "members": [MEMBER], "healthmonitor": MONITOR}]}],
        },
        Creation("loadbalancers", f"/cloud/v1/loadbalancers/{PLACE}"),
    ),
    "/cloud/v2/secrets": (
        A_CERTIFICATE,
        Creation("secrets", f"/cloud/v1/secrets/{PLACE}"),
    ),
}
"""What is created and deleted: the body and the created resource, by the beginning of the path."""
SHARE_CREATION = Creation("file_shares", f"/cloud/v1/file_shares/{PLACE}")


@dataclass(frozen=True, slots=True)
class Stage:
    """What the writers change: one instance each for values, volumes and floating IPs; and what they refer to."""

    renamed_path: str
    attached_id: str
    routed_port_id: str
    network_id: str
    secret_id: str


async def finish(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Wait until the task of an answer has finished, and return it."""
    assert answer.is_success, answer.text
    (task_id,) = answer.json()["tasks"]
    while (task := (await client.get(f"/cloud/v1/tasks/{task_id}")).json())["state"] not in ENDED:  # noqa: ASYNC110  # the API does not notify
        await asyncio.sleep(0.01)
    assert task["state"] == "FINISHED", task["error"]
    return dict(task)


async def create(client: httpx.AsyncClient, path: str, kind: str, body: Any) -> str:
    """Create a resource and return its id."""
    task = await finish(client, await client.post(f"{path}/{PLACE}", json=body))
    return str(task["created_resources"][kind][0])


async def set_stage(client: httpx.AsyncClient) -> Stage:
    """Create what the writers change, and raise the quotas."""
    limits = dict.fromkeys(
        ("vm_count_limit", "volume_count_limit", "floating_count_limit", "network_count_limit"), 5000
    )
    limits |= dict.fromkeys(("external_ip_count_limit", "cpu_count_limit", "firewall_count_limit"), 5000)
    limits |= dict.fromkeys(
        ("loadbalancer_count_limit", "secret_count_limit", "sfs_count_limit", "sfs_size_limit"), 5000
    )
    quotas = await client.put("/_pileus/quotas/1", json=limits | {"ram_limit": 10**7, "volume_size_limit": 10**6})
    assert quotas.is_success, quotas.text
    network_id = await create(client, "/cloud/v1/networks", "networks", {"name": "inside", "create_router": True})
    subnet = {"name": "inside", "network_id": network_id, "cidr": "10.9.0.0/24", "connect_to_network_router": True}
    await create(client, "/cloud/v1/subnets", "subnets", subnet)
    renamed_id = await create(client, "/cloud/v2/instances", "instances", an_order(name="name-0"))
    attached_id = await create(client, "/cloud/v2/instances", "instances", an_order(name="attached"))
    order = an_order(name="routed", interfaces=[{"type": "any_subnet", "network_id": network_id}])
    routed_id = await create(client, "/cloud/v2/instances", "instances", order)
    interfaces = (await client.get(f"/cloud/v1/instances/{PLACE}/{routed_id}/interfaces")).json()["results"]
    secret_id = await create(client, "/cloud/v2/secrets", "secrets", A_CERTIFICATE)
    renamed_path = f"/cloud/v1/instances/{PLACE}/{renamed_id}"
    return Stage(renamed_path, attached_id, interfaces[0]["port_id"], network_id, secret_id)


async def wait_until_unlocked(client: httpx.AsyncClient, path: str) -> None:
    """Wait until no task works on a resource: an answer that waits for a task may come before its end."""
    while (await client.get(path)).json()["task_id"]:  # noqa: ASYNC110  # the API does not notify
        await asyncio.sleep(0.01)


async def clear_stage(client: httpx.AsyncClient, stage: Stage) -> None:
    """Unassign floating IPs and detach volumes that a killed server has left at the instances of the stage."""
    for view in (await client.get(f"/cloud/v1/floatingips/{PLACE}")).json()["results"]:
        if view["port_id"] == stage.routed_port_id:
            path = f"/cloud/v1/floatingips/{PLACE}/{view['id']}"
            unassigned = await client.post(f"{path}/unassign")
            assert unassigned.is_success, unassigned.text
            await wait_until_unlocked(client, path)
    attached = await client.get(f"/cloud/v1/volumes/{PLACE}", params={"instance_id": stage.attached_id})
    for view in attached.json()["results"]:
        if not view["is_root_volume"]:
            path = f"/cloud/v2/volumes/{PLACE}/{view['id']}/detach"
            await finish(client, await client.post(path, json={"instance_id": stage.attached_id}))


async def change_value(client: httpx.AsyncClient, ledger: Ledger, path: str, name: str) -> None:
    """Count in the name or in a tag of an instance."""
    number = 0
    if (path, name) in ledger.values:
        number = int(ledger.values[path, name].acknowledged.rpartition("-")[2] or 0)
    while True:
        number += 1
        await ledger.change_value(client, path, name, f"value-{number}")


async def create_and_delete(
    client: httpx.AsyncClient, ledger: Ledger, beginning: str, body: Any, creation: Creation
) -> None:
    """Create resources of a kind, and delete every second one."""
    while True:
        ledger.note_task(await client.post(f"{beginning}/{PLACE}", json=body), creation)
        answer = await client.post(f"{beginning}/{PLACE}", json=body)
        ledger.note_task(answer, creation)
        (resource_id,) = (await finish(client, answer))["created_resources"][creation.kind]
        await ledger.delete(client, f"{creation.path}/{resource_id}")


async def delete_older(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Delete what earlier rounds have left, so that the cloud does not grow."""
    for path in sorted(ledger.existing):
        await ledger.delete(client, path)


async def attach_and_detach(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> None:
    """Attach volumes to an instance, detach and delete them."""
    body = {"name": "moved", "source": "new-volume", "size": 1}
    creation = Creation("volumes", f"/cloud/v1/volumes/{PLACE}")
    while True:
        answer = await client.post(creation.path, json=body)
        ledger.note_task(answer, creation)
        (volume_id,) = (await finish(client, answer))["created_resources"]["volumes"]
        for verb in ("attach", "detach"):
            path = f"/cloud/v2/volumes/{PLACE}/{volume_id}/{verb}"
            answer = await client.post(path, json={"instance_id": stage.attached_id})
            ledger.note_task(answer)
            await finish(client, answer)
        await ledger.delete(client, f"{creation.path}/{volume_id}")


async def assign_and_unassign(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> None:
    """Assign floating IPs to a port, unassign and delete them."""
    creation = Creation("floatingips", f"/cloud/v1/floatingips/{PLACE}")
    while True:
        answer = await client.post(creation.path, json={})
        ledger.note_task(answer, creation)
        (floating_ip_id,) = (await finish(client, answer))["created_resources"]["floatingips"]
        path = f"{creation.path}/{floating_ip_id}"
        ledger.count(await client.post(f"{path}/assign", json={"port_id": stage.routed_port_id}))
        await wait_until_unlocked(client, path)
        ledger.count(await client.post(f"{path}/unassign"))
        await wait_until_unlocked(client, path)
        await ledger.delete(client, path)


async def change_parts(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> None:
    """Create load balancers, add, change and remove their parts one after the other, and delete them."""
    creation = Creation("loadbalancers", f"/cloud/v1/loadbalancers/{PLACE}")

    async def change(method: str, path: str, body: Any = None, creates: Creation | None = None) -> dict[str, Any]:
        answer = await client.request(method, path, json=body)
        ledger.note_task(answer, creates)
        return await finish(client, answer)

    async def add(kind: str, path: str, body: Any) -> str:
        return str((await change("POST", path, body))["created_resources"][kind][0])

    while True:
        task = await change("POST", creation.path, {"name": "parts"}, creation)
        (balancer_id,) = task["created_resources"]["loadbalancers"]
        listener = {**LISTENER, "protocol": "TERMINATED_HTTPS", "secret_id": stage.secret_id}
        listener_id = await add(
            "listeners", f"/cloud/v1/lblisteners/{PLACE}", {**listener, "load_balancer_id": balancer_id}
        )
        pool_id = await add("pools", f"/cloud/v1/lbpools/{PLACE}", {**POOL, "listener_id": listener_id})
        pool_path = f"/cloud/v1/lbpools/{PLACE}/{pool_id}"
        members_path = f"/cloud/v1/loadbalancers/{PLACE}/pools/{pool_id}/members"
        member_id = await add("members", members_path, MEMBER)
        await change("PATCH", f"{members_path}/{member_id}", {"weight": 2})
        await change("POST", f"{pool_path}/healthmonitor", MONITOR)
        await change("DELETE", f"{members_path}/{member_id}")
        await change("DELETE", f"/cloud/v1/lblisteners/{PLACE}/{listener_id}")
        await change("DELETE", pool_path)
        await ledger.delete(client, f"{creation.path}/{balancer_id}")


async def create_security_groups(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Create security groups, add a rule to each, and delete every second one; no task is involved."""
    path, number = f"/cloud/v1/securitygroups/{PLACE}", 0
    while True:
        number += 1
        answer = await client.post(path, json={"security_group": {"name": "web", "security_group_rules": []}})
        ledger.count(answer)
        group_path = f"{path}/{answer.json()['id']}"
        ledger.existing.add(group_path)
        ledger.count(await client.post(f"{group_path}/rules", json=RULE))
        if number % 2:
            await ledger.delete(client, group_path)


def make_share(stage: Stage) -> dict[str, Any]:
    """Return the body that creates a file share in the network of the stage."""
    return {"name": "data", "protocol": "NFS", "size": 1, "network": {"network_id": stage.network_id}}


def make_writers(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> list[Awaitable[None]]:
    """Return one writer for each kind of change."""
    return [
        *(change_value(client, ledger, stage.renamed_path, name) for name in ("name", *KEYS)),
        *(create_and_delete(client, ledger, beginning, *creation) for beginning, creation in CREATIONS.items()),
        create_and_delete(client, ledger, "/cloud/v1/file_shares", make_share(stage), SHARE_CREATION),
        change_parts(client, ledger, stage),
        attach_and_detach(client, ledger, stage),
        assign_and_unassign(client, ledger, stage),
        create_security_groups(client, ledger),
        delete_older(client, ledger),
    ]


async def run_until_killed(writers: list[Awaitable[None]], enough: asyncio.Event, kill: Callable[[], None]) -> None:
    """Run writers until `enough` is set, then kill the server, which ends them. Raises what a writer raises."""
    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(run_until_disconnected(writer, enough))
        await enough.wait()
        kill()


async def run_until_disconnected(writer: Awaitable[None], enough: asyncio.Event) -> None:
    """Run a writer until the server is gone, which is enough even if nobody has killed it."""
    try:
        await writer
    except httpx.TransportError:
        enough.set()
