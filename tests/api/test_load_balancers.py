"""Load balancers: addresses, floating IPs, changes in place and in tasks, failures, and what blocks a change."""

from typing import Any
from uuid import UUID

import pytest
from gcore import BadRequestError, ConflictError, NotFoundError
from gcore.types.cloud import LoadBalancer

from pileus.domain.faults import FaultKind
from tests.balancers import a_balanced_listener, a_balancer
from tests.builders import a_network, driver_of, inject_fault
from tests.networks import a_router
from tests.storage import set_quotas
from tests.tenants import Tenant

NOTHING = "00000000-0000-4000-8000-000000000000"
HTTP: Any = {"name": "http", "protocol": "HTTP", "protocol_port": 80}


async def create(tenant: Tenant, **body: Any) -> LoadBalancer:
    return await tenant.sdk.cloud.load_balancers.create_and_poll(**{"name": "web", **body}, polling_interval_seconds=0)


async def count_free_addresses(tenant: Tenant, subnet_id: str) -> int | None:
    return (await tenant.sdk.cloud.networks.subnets.get(subnet_id)).available_ips


async def test_a_public_load_balancer_has_all_that_the_sdk_wants(tenant: Tenant) -> None:
    balancer = await create(tenant, tags={"env": "prod"})

    assert (balancer.name, balancer.provisioning_status, balancer.operating_status) == ("web", "ACTIVE", "ONLINE")
    assert balancer.flavor is not None
    assert UUID(balancer.flavor.flavor_id).version
    assert (balancer.flavor.flavor_name, balancer.flavor.ram, balancer.flavor.vcpus) == ("lb1-1-2", 2048, 1)
    assert (balancer.vip_ip_family, balancer.additional_vips, balancer.floating_ips) == ("ipv4", [], [])
    assert [line.role for line in balancer.vrrp_ips] == ["MASTER", "BACKUP"]
    assert len({line.ip_address for line in balancer.vrrp_ips} | {balancer.vip_address}) == 3
    assert balancer.logging is not None
    assert (balancer.logging.enabled, balancer.stats, balancer.ddos_profile) == (False, None, None)
    assert [(tag.key, tag.value, tag.read_only) for tag in balancer.tags_v2] == [("env", "prod", False)]
    assert (balancer.preferred_connectivity, balancer.admin_state_up, balancer.task_id) == ("L2", True, None)
    view = (await tenant.api.get(tenant.path("loadbalancers", balancer.id))).json()
    assert (view["metadata"], view["vip_fqdn"], "tags" in view) == (view["tags_v2"], None, False)
    record = await driver_of(tenant.running).find_load_balancer(balancer.id)
    assert record is not None
    assert (record.vip.addresses, len(record.machines)) == ([balancer.vip_address], 2)


async def test_a_load_balancer_takes_three_addresses_of_its_subnet(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    before = await count_free_addresses(tenant, subnet.id)

    await create(tenant, vip_network_id=network.id)

    assert await count_free_addresses(tenant, subnet.id) == (before or 0) - 3


async def test_a_private_load_balancer_has_its_listeners_and_a_new_floating_ip(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)

    task = await tenant.wait_until_finished(
        await tenant.api.post(
            tenant.path("loadbalancers"),
            json={
                "name": "web",
                "vip_network_id": network.id,
                "vip_subnet_id": subnet.id,
                "floating_ip": {"source": "new"},
                "listeners": [HTTP, {"name": "dns", "protocol": "UDP", "protocol_port": 80}],
            },
        )
    )

    created = task["created_resources"]
    balancer = await tenant.sdk.cloud.load_balancers.get(created["loadbalancers"][0])
    assert [floating_ip.id for floating_ip in balancer.floating_ips] == created["floatingips"]
    assert balancer.floating_ips[0].fixed_ip_address == balancer.vip_address
    assert sorted(listener.id for listener in balancer.listeners) == sorted(created["listeners"])
    assert {line.subnet_id for line in balancer.vrrp_ips} == {subnet.id}
    listed = (await tenant.api.get(tenant.path("loadbalancers"), params={"assigned_floating": "true"})).json()
    assert [view["id"] for view in listed["results"]] == [balancer.id]
    (floating_ip,) = (await tenant.api.get(tenant.path("floatingips"))).json()["results"]
    assert (floating_ip["instance"], floating_ip["loadbalancer"]) == (None, listed["results"][0])


async def test_a_reserved_fixed_ip_is_attached_and_survives_the_load_balancer(tenant: Tenant) -> None:
    reserved = await tenant.sdk.cloud.reserved_fixed_ips.create_and_poll(type="external", polling_interval_seconds=0)

    balancer = await create(tenant, vip_port_id=reserved.port_id)
    attached = await tenant.sdk.cloud.reserved_fixed_ips.get(reserved.port_id)
    with pytest.raises(ConflictError):
        await tenant.sdk.cloud.reserved_fixed_ips.delete(reserved.port_id)
    await tenant.sdk.cloud.load_balancers.delete_and_poll(balancer.id, polling_interval_seconds=0)

    assert (balancer.vip_port_id, balancer.vip_address) == (reserved.port_id, reserved.fixed_ip_address)
    assert [(line.resource_id, line.resource_type) for line in attached.attachments or ()] == [
        (balancer.id, "load_balancer")
    ]
    free = await tenant.sdk.cloud.reserved_fixed_ips.get(reserved.port_id)
    assert (free.status, free.attachments) == ("DOWN", [])


async def test_a_dual_stack_load_balancer_shows_its_second_address(tenant: Tenant) -> None:
    network, _ = await a_network(tenant, "10.0.0.0/24", "fd00::/64")

    balancer = await create(tenant, vip_network_id=network.id, vip_ip_family="dual")

    (second,) = balancer.additional_vips
    assert (balancer.vip_address[:7], second.ip_address[:4], balancer.vip_ip_family) == ("10.0.0.", "fd00", "dual")
    assert len(balancer.vrrp_ips) == 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"vip_subnet_id": NOTHING}, "Specify network ID in addition to subnet ID"),
        ({"vip_network_id": NOTHING, "vip_port_id": NOTHING}, "either vip_network_id or vip_port_id"),
        ({"flavor": "lb9"}, "There is no flavor lb9"),
        ({"floating_ip": {"source": "new"}}, "it needs no floating IP"),
        ({"logging": {"topic_name": "-a"}}, "begin and end"),
        ({"listeners": [HTTP, {**HTTP, "name": "next"}]}, "has port 80 already"),
        ({"listeners": [{**HTTP, "secret_id": NOTHING}]}, "have no certificates"),
    ],
)
async def test_orders_that_contradict_themselves_are_refused(
    tenant: Tenant, body: dict[str, Any], message: str
) -> None:
    answer = await tenant.api.post(tenant.path("loadbalancers"), json={"name": "web", **body})

    assert answer.status_code in (400, 409)
    assert message in answer.text
    assert (await tenant.api.get(tenant.path("loadbalancers"))).json()["count"] == 0


async def test_a_change_at_once_renames_and_tags_and_leaves_the_load_balancer_free(tenant: Tenant) -> None:
    balancer = await create(tenant, tags={"env": "prod", "team": "a"})

    with pytest.warns(DeprecationWarning, match="deprecated"):
        changed = await tenant.sdk.cloud.load_balancers.update(
            balancer.id,
            name="next",
            tags={"env": None, "team": "b"},
            preferred_connectivity="L3",
            logging={"enabled": True, "topic_name": "logs.web", "retention_policy": {"period": 45}},
        )

    assert (changed.name, changed.preferred_connectivity, changed.task_id) == ("next", "L3", None)
    assert [(tag.key, tag.value) for tag in changed.tags_v2] == [("team", "b")]
    assert changed.logging is not None
    assert (changed.logging.enabled, changed.logging.topic_name) == (True, "logs.web")
    assert [line.role for line in changed.vrrp_ips] == ["MASTER", "BACKUP"]
    assert changed.flavor is not None
    actions = (await tenant.api.get("/cloud/v1/user_actions", params={"api_group": "loadbalancer"})).json()["results"]
    assert {action["action_type"] for action in actions} == {"create", "update"}


async def test_a_change_in_a_task_disables_the_load_balancer_in_the_driver(tenant: Tenant) -> None:
    balancer = await create(tenant)
    path = tenant.path("loadbalancers", balancer.id, version=2)

    task = await tenant.wait_until_finished(
        await tenant.api.patch(path, json={"admin_state_up": False, "tags": {"env": "test"}})
    )

    view = await tenant.sdk.cloud.load_balancers.get(balancer.id)
    assert (task["task_type"], task["created_resources"]) == ("update_loadbalancer", None)
    assert (view.admin_state_up, view.operating_status) == (False, "OFFLINE")
    assert [tag.value for tag in view.tags_v2] == ["test"]
    record = await driver_of(tenant.running).find_load_balancer(balancer.id)
    assert record is not None
    assert not record.admin_state_up


async def test_resize_and_failover_replace_the_machines(tenant: Tenant) -> None:
    balancer = await create(tenant)
    sdk, path = tenant.sdk.cloud.load_balancers, tenant.path("loadbalancers", balancer.id)

    resized = await sdk.resize_and_poll(balancer.id, flavor="lb1-2-4", polling_interval_seconds=0)
    await sdk.failover_and_poll(balancer.id, polling_interval_seconds=0)
    same = await tenant.api.post(f"{path}/resize", json={"flavor": "lb1-2-4"})
    unknown = await tenant.api.post(f"{path}/resize", json={"flavor": "lb9"})

    assert resized.flavor is not None
    assert resized.flavor.flavor_name == "lb1-2-4"
    record = await driver_of(tenant.running).find_load_balancer(balancer.id)
    assert record is not None
    assert (record.flavor_name, record.machine_generation) == ("lb1-2-4", 3)
    assert (same.status_code, unknown.status_code) == (400, 400)


async def test_a_load_balancer_in_error_is_not_changed(tenant: Tenant) -> None:
    balancer = await a_balancer(tenant, provisioning_status="ERROR")
    listener = await a_balanced_listener(tenant, balancer)
    path = tenant.path("loadbalancers", balancer.id)

    refused = [
        await tenant.api.patch(path, json={"name": "next"}),
        await tenant.api.patch(tenant.path("loadbalancers", balancer.id, version=2), json={"name": "next"}),
        await tenant.api.patch(tenant.path("lblisteners", listener.id), json={"name": "next"}),
        await tenant.api.post(f"{path}/resize", json={"flavor": "lb1-2-4"}),
    ]

    assert [answer.status_code for answer in refused] == [409] * 4
    assert "is in state ERROR: it can be changed when it is ACTIVE" in refused[0].json()["message"]


async def test_a_resize_looks_at_a_load_balancer_after_it_has_locked_it(tenant: Tenant) -> None:
    balancer = await create(tenant)
    path = tenant.path("loadbalancers", balancer.id)
    await inject_fault(tenant, FaultKind.HOLD, "failover_loadbalancer")
    failover = await tenant.api.post(f"{path}/failover", json={})

    assert (await tenant.api.post(f"{path}/resize", json={"flavor": "lb1-1-2"})).status_code == 409
    await tenant.api.delete("/_pileus/faults")
    await tenant.wait_until_finished(failover)
    assert (await tenant.api.post(f"{path}/resize", json={"flavor": "lb1-1-2"})).status_code == 400


async def test_a_deleted_load_balancer_leaves_its_floating_ip_and_no_address(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    free = await count_free_addresses(tenant, subnet.id)
    balancer = await create(
        tenant, vip_network_id=network.id, floating_ip={"source": "new"}, listeners=[HTTP], tags={"a": "b"}
    )

    await tenant.sdk.cloud.load_balancers.delete_and_poll(balancer.id, polling_interval_seconds=0)

    with pytest.raises(NotFoundError):
        await tenant.sdk.cloud.load_balancers.get(balancer.id)
    floating_ip = await tenant.sdk.cloud.floating_ips.get(balancer.floating_ips[0].id)
    assert (floating_ip.port_id, floating_ip.status) == (None, "DOWN")
    assert (await tenant.api.get(tenant.path("lblisteners"))).json()["count"] == 0
    assert await driver_of(tenant.running).find_load_balancer(balancer.id) is None
    assert await count_free_addresses(tenant, subnet.id) == free


async def test_a_failed_creation_leaves_nothing(tenant: Tenant) -> None:
    network, (subnet,) = await a_network(tenant)
    free = await count_free_addresses(tenant, subnet.id)
    await inject_fault(tenant, FaultKind.FAIL, "create_loadbalancer")

    answer = await tenant.api.post(
        tenant.path("loadbalancers"), json={"name": "web", "vip_network_id": network.id, "listeners": [HTTP]}
    )
    task = await tenant.wait_for_task(answer.json()["tasks"][0])

    assert task["state"] == "ERROR"
    assert (await tenant.api.get(tenant.path("loadbalancers"))).json()["count"] == 0
    assert await count_free_addresses(tenant, subnet.id) == free


async def test_a_quota_limits_load_balancers(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, loadbalancer_count=1)
    await create(tenant)

    limits = await tenant.api.post(tenant.path("loadbalancers", "check_limits"), json={})
    with pytest.raises(BadRequestError, match="Quota limit for loadbalancer_count exceeded by 1"):
        await create(tenant)

    assert limits.json() == {
        "loadbalancer_count_requested": 1,
        "loadbalancer_count_limit": 1,
        "loadbalancer_count_usage": 1,
    }


@pytest.mark.parametrize(
    ("verb", "body", "tags"),
    [
        ("POST", {"env": "test"}, {"env": "test", "team": "a"}),
        ("PUT", {"env": "test"}, {"env": "test"}),
        ("DELETE", None, {"team": "a"}),
    ],
)
async def test_tags_change_by_the_older_paths_in_tasks(
    tenant: Tenant, verb: str, body: Any, tags: dict[str, str]
) -> None:
    balancer = await create(tenant, tags={"env": "prod", "team": "a"})
    path = tenant.path("loadbalancers", balancer.id, version=2)
    path += "/metadata_item?key=env" if verb == "DELETE" else "/metadata"

    task = await tenant.wait_until_finished(await tenant.api.request(verb, path, json=body))

    view = await tenant.sdk.cloud.load_balancers.get(balancer.id)
    assert task["task_type"] in {"update_lbmetadata", "replace_lbmetadata", "delete_lbmetadata"}
    assert {tag.key: tag.value for tag in view.tags_v2} == tags
    assert view.task_id is None


async def test_flavors_are_listed_from_the_smallest_with_prices_on_request(tenant: Tenant) -> None:
    flavors = await tenant.sdk.cloud.load_balancers.flavors.list(include_prices=True)
    plain = (await tenant.api.get(tenant.path("lbflavors"))).json()["results"]

    assert [flavor.flavor_name for flavor in flavors.results] == ["lb1-1-2", "lb1-2-4", "lb1-4-8", "lb1-8-16"]
    assert [flavor["ram"] for flavor in plain] == [2048, 4096, 8192, 16384]
    assert flavors.results[0].to_dict()["price_per_hour"] == 0.02


async def test_prices_are_previewed(tenant: Tenant) -> None:
    first = await tenant.api.post(tenant.path("pricing", "loadbalancers"), json={"flavor": "lb1-1-2"})
    second = await tenant.api.post(tenant.path("pricing", "loadbalancers", version=2), json={"flavor": "lb1-1-2"})

    assert first.json()["price_per_hour"] == 0.02
    external_ip = second.json()["per_hour"]["external_ip"]
    assert second.json()["per_hour"] == {"flavor": 0.02, "floating_ip": 0, "external_ip": external_ip}
    assert second.json()["total_price_per_hour"] == pytest.approx(0.02 + external_ip)


async def test_statuses_and_metrics_are_shown(tenant: Tenant) -> None:
    balancer = await create(tenant, listeners=[HTTP], tags={"env": "prod"})
    sdk = tenant.sdk.cloud.load_balancers

    tree = await sdk.statuses.get(balancer.id)
    trees = await sdk.statuses.list()
    metrics = await sdk.metrics.list(balancer.id, time_interval=1, time_unit="hour")
    with_stats = await sdk.get(balancer.id, show_stats=True, with_ddos=True)

    assert [listener.id for listener in tree.listeners] == [listener.id for listener in balancer.listeners]
    assert (tree.listeners[0].operating_status, tree.listeners[0].pools) == ("ONLINE", [])
    assert [(tag.key, tag.value) for tag in tree.tags] == [("env", "prod")]
    assert [entry.id for entry in trees.results] == [balancer.id]
    assert metrics.count == len(metrics.results) > 0
    assert with_stats.stats is not None
    assert with_stats.stats.total_connections == 0
