"""Query parameters under their older names: the filters of lists by tags."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.storage.volumes import Snapshot
from tests.api.test_load_balancers import create as create_load_balancer
from tests.builders import (
    BARE_METAL,
    a_floating_ip,
    a_network,
    a_security_group,
    an_image,
    an_instance,
)
from tests.contract.documents import own_contract
from tests.storage import a_snapshot, a_volume
from tests.tenants import Tenant


async def a_subnet(tenant: Tenant) -> Subnet:
    """Add a network with a subnet."""
    return (await a_network(tenant))[1][0]


async def a_network_alone(tenant: Tenant) -> Network:
    """Add a network, and return only that."""
    return (await a_network(tenant))[0]


async def a_snapshot_of_a_volume(tenant: Tenant) -> Snapshot:
    """Add a volume and its snapshot."""
    return await a_snapshot(tenant, await a_volume(tenant))


async def a_named_group(tenant: Tenant) -> SecurityGroup:
    """Add a security group with a name of its own."""
    return await a_security_group(tenant, tenant.running.app_state.new_id())


LISTS: dict[str, tuple[Callable[[Tenant], Awaitable[Any]], str]] = {
    "instances": (an_instance, "instances"),
    "bminstances": (partial(an_instance, flavor_id=BARE_METAL), "bminstances"),
    "images": (an_image, "images"),
    "bmimages": (partial(an_image, is_baremetal=True), "images"),
    "volumes": (a_volume, "volumes"),
    "snapshots": (a_snapshot_of_a_volume, "snapshots"),
    "networks": (a_network_alone, "networks"),
    "availablenetworks": (a_network_alone, "networks"),
    "subnets": (a_subnet, "subnets"),
    "securitygroups": (a_named_group, "securitygroups"),
    "floatingips": (a_floating_ip, "floatingips"),
    "loadbalancers": (create_load_balancer, "loadbalancers"),
}
"""For each list: what adds a resource, and where its tags are changed."""


async def list_ids(tenant: Tenant, noun: str, **parameters: str) -> set[str]:
    """Return the ids that a list has with these parameters, and check its count."""
    page = (await tenant.api.get(tenant.path(noun), params=parameters)).json()
    assert page["count"] == len(page["results"])
    return {item["id"] for item in page["results"]}


@pytest.mark.parametrize("noun", LISTS)
async def test_lists_are_filtered_by_metadata(tenant: Tenant, noun: str) -> None:
    add, changed_at = LISTS[noun]
    production, test, untagged = [(await add(tenant)).id for _ in range(3)]
    for identity, value in ((production, "prod"), (test, "test")):
        path = tenant.path(changed_at, identity)
        assert (await tenant.api.patch(path, json={"tags": {"env": value}})).status_code == 200

    assert await list_ids(tenant, noun) >= {production, test, untagged}
    for key, pair in (("metadata_k", "metadata_kv"), ("tag_key", "tag_key_value")):
        assert await list_ids(tenant, noun, **{key: "env"}) == {production, test}
        assert await list_ids(tenant, noun, **{pair: '{"env": "prod"}'}) == {production}
        assert await list_ids(tenant, noun, **{key: "other"}) == set()


async def test_the_newer_name_of_a_filter_has_precedence(tenant: Tenant) -> None:
    volume, other = await a_volume(tenant, labels={"env": "prod"}), await a_volume(tenant, labels={"env": "test"})

    older, newer = '{"env": "test"}', '{"env": "prod"}'
    assert await list_ids(tenant, "volumes", tag_key_value=newer, metadata_kv=older) == {volume.id}
    assert await list_ids(tenant, "volumes", tag_key="env", metadata_k="none") == {volume.id, other.id}


@pytest.mark.parametrize("parameter", ["metadata_kv", "tag_key_value"])
async def test_an_invalid_filter_is_refused_by_its_name(tenant: Tenant, parameter: str) -> None:
    answer = await tenant.api.get(tenant.path("volumes"), params={parameter: "env=prod"})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [parameter])


def test_every_list_with_tag_filters_has_their_older_names() -> None:
    filtered = {}
    for path, operations in own_contract().document["paths"].items():
        parameters = {entry["name"]: entry for entry in operations.get("get", {}).get("parameters", ())}
        if parameters.keys() & {"tag_key", "tag_key_value"}:
            filtered[path.split("/")[3]] = [
                parameters[name]["deprecated"] for name in ("tag_key", "tag_key_value", "metadata_k", "metadata_kv")
            ]

    assert filtered == {noun: [False, False, True, True] for noun in LISTS}
