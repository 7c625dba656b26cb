"""A cloud with a record of each noun of the web console, made by the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.certificates import CERTIFICATE
from tests.console.resources import make, wait_for_task
from tests.orders import METAL, an_order

PROD, TEST = {"env": "prod", "team": "blue"}, {"env": "test"}
SHOWN_ORDERS = [
    an_order(name="shop-1", tags=PROD),
    an_order(name="shop-2", tags=PROD),
    an_order(name="orders-db", flavor="g1-standard-4-8", tags=PROD),
    an_order(name="ci-runner", tags=TEST),
    an_order(name="worker-with-a-long-name-that-tells-what-it-does", flavor="g1-standard-2-4", tags=TEST),
]


def make_records(api: httpx.Client) -> dict[str, str]:
    """Make a record of each noun that has a page, and return their ids by noun."""
    network = _make_network(api)
    servers = _make_servers(api)
    return {
        **servers,
        **_make_disks(api, servers["instances"]),
        **network,
        **_make_balancer(api),
        "projects": "1",
        "images": api.get("/cloud/v1/images/1/1").json()["results"][0]["id"],
        "security_groups": api.get("/cloud/v1/securitygroups/1/1").json()["results"][0]["id"],
        "tasks": api.get("/cloud/v1/tasks", params={"task_type": "create_vm"}).json()["results"][0]["id"],
    }


@contextmanager
def make_settings(api: httpx.Client) -> Iterator[None]:
    """Make what the pages of the account and of the workbench list, and remove it at the end."""
    quota = {"description": "for the load test", "requested_limits": {"global_limits": {"keypair_count_limit": 500}}}
    _require_success(api.post("/cloud/v2/limits_request", json=quota))
    hook = {"url": "http://127.0.0.1:9/hook", "auth_header_name": "Authorization", "auth_header_value": "Bearer x"}
    _require_success(api.post("/cloud/v1/user_actions/subscribe", json=hook))
    for kind, body in (
        ("faults", {"kind": "fail", "task_type": "extend_volume", "message": "no room", "times": 1}),
        ("http_faults", {"kind": "respond", "operation": "list_ddos_profiles", "status": 503, "probability": 0.001}),
    ):
        _require_success(api.post(f"/_pileus/{kind}", json=body))
    _require_success(api.put("/_pileus/capacities/1/g1-standard-4-8", json={"servers": 3}))
    try:
        yield
    finally:
        for request in api.get("/cloud/v2/limits_request").json()["results"]:
            if request["status"] == "in progress":
                _require_success(api.delete(f"/cloud/v2/limits_request/{request['id']}"))
        api.post("/cloud/v1/user_actions/unsubscribe")
        for kind in ("faults", "http_faults"):
            for fault in api.get(f"/_pileus/{kind}").json():
                api.delete(f"/_pileus/{kind}/{fault['id']}")
        api.put("/_pileus/capacities/1/g1-standard-4-8", json={"servers": None})


@contextmanager
def hold_task(api: httpx.Client) -> Iterator[str]:
    """Create an instance whose task a fault holds, until the end. Yield the id of the task."""
    hold = {"kind": "hold", "task_type": "create_vm", "step": "spawn"}
    fault_id = _require_success(api.post("/_pileus/faults", json=hold)).json()["id"]
    (task_id,) = _require_success(api.post("/cloud/v2/instances/1/1", json=an_order(name="held"))).json()["tasks"]
    try:
        yield task_id
    finally:
        api.delete(f"/_pileus/faults/{fault_id}")
        wait_for_task(api, task_id)


def _require_success(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, answer.text
    return answer


def _make_servers(api: httpx.Client) -> dict[str, str]:
    key = {"name": "laptop", "shared_in_project": True}
    ssh_key = _require_success(api.post("/cloud/v1/ssh_keys/1", json=key)).json()
    group = {"name": "apart", "policy": "anti-affinity"}
    placement = _require_success(api.post("/cloud/v1/servergroups/1/1", json=group)).json()
    tasks = [api.post("/cloud/v2/instances/1/1", json=order).json()["tasks"][0] for order in SHOWN_ORDERS]
    ids = [wait_for_task(api, task_id)["instances"][0] for task_id in tasks]
    stop = _require_success(api.post(f"/cloud/v2/instances/1/1/{ids[-1]}/action", json={"action": "stop"}))
    wait_for_task(api, stop.json()["tasks"][0])
    flavor = api.get("/cloud/v1/bmflavors/1/1").json()["results"][0]["flavor_id"]
    metal = {"name": "database", "flavor": flavor, "image_id": METAL, "interfaces": [{"type": "external"}]}
    return {
        "instances": ids[0],
        "baremetal": make(api, "bminstances", **metal)["instances"][0],
        "ssh_keys": str(ssh_key["id"]),
        "placement_groups": placement["servergroup_id"],
    }


def _make_disks(api: httpx.Client, instance_id: str) -> dict[str, str]:
    volume: dict[str, Any] = {
        "name": "data",
        "size": 20,
        "source": "new-volume",
        "instance_id_to_attach_to": instance_id,
    }
    (volume_id,) = make(api, "volumes", **volume, tags=PROD)["volumes"]
    times = {"type": "cron", "hour": "3", "minute": "0", "max_quantity": 7}
    body = {"name": "nightly", "action": "volume_snapshot", "schedules": [times], "volume_ids": [volume_id]}
    schedule = _require_success(api.post("/cloud/v1/lifecycle_policy/1/1", json=body)).json()
    share: dict[str, Any] = {"name": "shared", "protocol": "NFS", "size": 10, "type_name": "vast"}
    return {
        "volumes": volume_id,
        "snapshots": make(api, "snapshots", name="data-monday", volume_id=volume_id)["snapshots"][0],
        "schedules": str(schedule["id"]),
        "file_shares": make(api, "file_shares", **share)["file_shares"][0],
    }


def _make_network(api: httpx.Client) -> dict[str, str]:
    network = make(api, "networks", name="backend", create_router=False, tags=TEST)["networks"][0]
    subnet = make(api, "subnets", name="backend-a", network_id=network, cidr="10.8.0.0/24")["subnets"][0]
    interfaces = [{"type": "subnet", "subnet_id": subnet}]
    return {
        "networks": network,
        "subnets": subnet,
        "routers": make(api, "routers", name="gateway", interfaces=interfaces)["routers"][0],
        "floating_ips": make(api, "floatingips", tags=TEST)["floatingips"][0],
        "reserved_fixed_ips": make(api, "reserved_fixed_ips", type="external")["ports"][0],
    }


def _make_balancer(api: httpx.Client) -> dict[str, str]:
    (balancer,) = make(api, "loadbalancers", name="front", tags=PROD)["loadbalancers"]
    listener: dict[str, Any] = {"name": "web", "protocol": "HTTP", "protocol_port": 80, "load_balancer_id": balancer}
    (listener_id,) = make(api, "lblisteners", **listener)["listeners"]
    monitor = {"type": "HTTP", "delay": 10, "timeout": 5, "max_retries": 3}
    pool = {"name": "webs", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "listener_id": listener_id}
    members = [{"address": "10.8.0.5", "protocol_port": 8080}]
    (pool_id,) = make(api, "lbpools", **pool, members=members, healthmonitor=monitor)["pools"]
    policy = {"listener_id": listener_id, "action": "REJECT", "name": "old"}
    (policy_id,) = make(api, "l7policies", **policy)["l7polices"]
    make(api, f"l7policies/{policy_id}", "rules", type="PATH", compare_type="EQUAL_TO", value="/old")
    payload = {"certificate": CERTIFICATE.text, "private_key": CERTIFICATE.private_key, "certificate_chain": ""}
    secret = {"name": "front-tls", "payload": payload}
    task = _require_success(api.post("/cloud/v2/secrets/1/1", json=secret)).json()["tasks"][0]
    return {
        "load_balancers": balancer,
        "listeners": listener_id,
        "pools": pool_id,
        "l7_policies": policy_id,
        "secrets": wait_for_task(api, task)["secrets"][0],
    }
