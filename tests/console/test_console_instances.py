"""Dialogs of the web console: an instance with its volumes, interfaces, security groups and addresses."""

from typing import Any

import httpx
import pytest

from tests.console.conftest import Browser
from tests.console.resources import find_id, make, run_dialogs, wait_for_task
from tests.orders import an_order

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def network_id(api: httpx.Client) -> str:
    """A network with a router and a subnet."""
    (network,) = make(api, "networks", name="parts", create_router=True)["networks"]
    make(api, "subnets", name="parts-a", network_id=network, cidr="10.7.0.0/24", connect_to_network_router=True)
    return network


@pytest.fixture
def instance_id(api: httpx.Client, network_id: str) -> str:
    """An instance in the network."""
    order = an_order(name="parts-1", interfaces=[{"type": "any_subnet", "network_id": network_id}])
    (task_id,) = api.post("/cloud/v2/instances/1/1", json=order).json()["tasks"]
    return wait_for_task(api, task_id)["instances"][0]


def read(api: httpx.Client, kind: str, record_id: str, part: str = "") -> Any:
    """Return a resource, or a part of it."""
    return api.get(f"/cloud/v1/{kind}/1/1/{record_id}{part}").json()


def test_a_volume_is_attached_snapshotted_extended_and_deleted_with_its_instance(
    browser: Browser, api: httpx.Client, instance_id: str
) -> None:
    (volume_id,) = make(api, "volumes", name="parts-data", size=5, source="new-volume")["volumes"]
    instance = f"instances/{instance_id}"
    attached, snapshot, extended, resized, detached, again, deleted = run_dialogs(
        browser,
        {
            "path": f"{instance}?tab=volumes&do=attach_volume",
            "values": {"volume_id": "parts-data"},
            "shows": "parts-data",
        },
        {"path": f"volumes/{volume_id}?do=take_snapshot", "values": {"name": "parts-monday"}},
        {"path": f"volumes/{volume_id}?do=extend", "values": {"size": 7}},
        {"path": f"{instance}?do=resize", "values": {"flavor_id": "g1-standard-2-4"}},
        {"path": f"{instance}?tab=volumes", "row": "parts-data", "press": "Detach", "hides": "parts-data"},
        {"path": f"volumes/{volume_id}?do=attach", "values": {"instance_id": "parts-1"}},
        {"path": f"{instance}?do=delete", "values": {"label=parts-data": True}},
    )

    assert "parts-data" in attached["text"]
    assert snapshot["command"].startswith("pileus snapshots create --volume-id")
    assert "7 GiB" in extended["text"]
    assert "g1-standard-2-4" in resized["text"]
    assert "parts-data" not in detached["text"]
    assert "in-use" in again["text"]
    assert f"--volumes {volume_id}" in deleted["command"]
    assert read(api, "volumes", volume_id)["exception_class"] == "NotFoundError"


def test_an_instance_gets_addresses_and_security_groups(browser: Browser, api: httpx.Client, instance_id: str) -> None:
    instance = f"instances/{instance_id}"
    (floating,) = make(api, "floatingips")["floatingips"]
    address = read(api, "instances", instance_id, "/interfaces")["results"][0]["ip_assignments"][0]["ip_address"]
    run_dialogs(browser, {"path": "security_groups?do=create", "values": {"name": "parts-web"}})
    group_id = find_id(api, "securitygroups", "parts-web")
    rule = {"protocol": "tcp", "port_range_min": 8443, "port_range_max": 8443, "remote_ip_prefix": "10.0.0.0/8"}
    port = {"label=Instance": "parts-1", "port_id": address}
    ruled, grouped, bare, external, assigned, unassigned = run_dialogs(
        browser,
        {"path": f"security_groups/{group_id}?do=add_rule", "values": rule},
        {
            "path": f"{instance}?tab=security_groups&do=assign_security_group",
            "values": {"name": "parts-web"},
            "shows": "parts-web",
        },
        {"path": f"{instance}?tab=security_groups", "row": "parts-web", "press": "Remove", "hides": "parts-web"},
        {"path": f"{instance}?tab=interfaces&do=attach_interface", "values": {"type": "external"}, "shows": "pub_net"},
        {"path": f"floating_ips/{floating}?do=assign", "values": port},
        {"path": f"floating_ips/{floating}?do=unassign"},
    )

    assert "8443" in ruled["text"]
    assert "parts-web" in grouped["text"]
    assert "parts-web" not in bare["text"]
    assert "pub_net" in external["text"]
    assert address in assigned["text"]
    assert address not in unassigned["text"]
    assert len(read(api, "instances", instance_id, "/interfaces")["results"]) == 2
