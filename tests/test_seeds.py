"""Seed files: a start creates what they describe, once, and refuses wrong files with one line."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.seeds.files import SeedError
from pileus.testing import cloud
from tests.servers import (
    KEY,
    TIMEOUT,
    Server,
    list_descendants,
    run_server,
    spawn_server,
    wait_until,
    wait_until_ready,
)

HEADERS = {"Authorization": f"APIKey {KEY}"}

SEED = """
networks:
- name: backend
  subnets:
  - {name: backend-a, cidr: 10.7.0.0/24, tags: {tier: data}}
routers:
- name: edge
  interfaces: [{type: subnet, subnet_id: backend-a}]
reserved_fixed_ips:
- {name: stable, network_id: backend, ip_address: 10.7.0.50, is_vip: false}
floating_ips:
- {name: entrance, tags: {env: dev}}
security_groups:
- name: web
  rules: [{direction: ingress, protocol: tcp, port_range_min: 80, port_range_max: 80, ethertype: IPv4}]
ssh_keys:
- {name: laptop}
placement_groups:
- {name: apart, policy: anti-affinity}
volumes:
- {name: data, source: new-volume, size: 5, tags: {env: dev}}
- {name: root, source: image, image_id: debian-12-generic-x64, size: 10}
instances:
- name: web-1
  flavor: g1-standard-1-2
  ssh_key_name: laptop
  servergroup_id: apart
  security_groups: [{id: web}]
  volumes:
  - {source: existing-volume, volume_id: root, boot_index: 0}
  - {source: existing-volume, volume_id: data}
  interfaces:
  - type: reserved_fixed_ip
    port_id: stable
    floating_ip: {source: existing, existing_floating_id: entrance}
  tags: {env: dev}
projects:
- name: second
  networks: [{name: other}]
"""
LISTS = {
    "networks": "networks/1/1", "subnets": "subnets/1/1", "routers": "routers/1/1", "groups": "securitygroups/1/1",
    "ssh_keys": "ssh_keys/1", "placement_groups": "servergroups/1/1", "volumes": "volumes/1/1",
    "instances": "instances/1/1", "reserved_fixed_ips": "reserved_fixed_ips/1/1", "floating_ips": "floatingips/1/1",
    "projects": "projects", "tasks": "tasks",
}  # fmt: skip
WRONG_SEEDS = {
    "instance: []": "instance: there is no such kind: did you mean instances?",
    "networks: {}": "networks: must be a list",
    "networks: [{name: a, tpye: vlan}]": "networks[0].tpye: the network has no such field: did you mean type?",
    "instances: [{name: a, flavr: b}]": "instances[0].flavr: the instance has no such field: did you mean flavor?",
    "networks: [{}]": "networks[0].name: the network needs a name, which is text",
    "networks: [{name: a}, {name: a}]": "networks[1].name: networks[0] has the name a already",
    "networks: [{name: a, subnets: [{name: b, cidr: 10.0.0.0/24, gatway_ip: null}]}]": (
        "networks[0].subnets[0].gatway_ip: the subnet has no such field: did you mean gateway_ip?"
    ),
    "networks: [{name: a}]\ninstances: [{name: b, flavor: g1-standard-1-3, volumes: [], interfaces: []}]": (
        "instances[0].flavor: there is no flavor g1-standard-1-3: did you mean g1-standard-1-"
    ),
    "volumes: [{name: a, source: image, image_id: debian-12-generic-x46, size: 5}]": (
        "volumes[0].image_id: there is no image debian-12-generic-x46: did you mean debian-12-generic-x64?"
    ),
    "projects: [{name: staging, volumes: [{name: data, source: new-volume, size: -1}]}]": (
        "projects[0].volumes[0].size: "
    ),
    "networks: [{name: a}]\nreserved_fixed_ips: [{name: b, type: external}]": (
        "reserved_fixed_ips[0].type: must be ip_address: the address identifies it"
    ),
    "networks: [{name: a}]\nreserved_fixed_ips: [{name: b, network_id: a}]": (
        "reserved_fixed_ips[0].ip_address: must be the address to reserve"
    ),
    "floating_ips: [{name: a, prot_id: b}]": (
        "floating_ips[0].prot_id: the floating IP has no such field: did you mean port_id?"
    ),
    "floating_ips: [{tags: {}}]": "floating_ips[0].name: the floating IP needs a name, which is text",
    "networks: [": "it is neither YAML nor TOML by its suffix: ",
}


def read_names(url: str, key: str) -> dict[str, list[str]]:
    headers = {"Authorization": f"APIKey {key}"}
    with httpx.Client(base_url=f"{url}/cloud/v1/", headers=headers) as http:
        views = {name: http.get(path).raise_for_status().json()["results"] for name, path in LISTS.items()}
    return {
        name: sorted(json.dumps(view.get("name") or view.get("id") or view["port_id"]) for view in items)
        for name, items in views.items()
    }


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_creates_what_the_file_describes_and_the_next_start_changes_nothing(
    workers: str, tmp_path: Path
) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text(SEED)
    options = ("--seed", str(file), "--workers", workers)

    with run_server(tmp_path / "data", *options) as server:
        first = read_names(server.url, KEY)
        instance = httpx.get(f"{server.url}/cloud/v1/instances/1/1", headers=HEADERS).json()["results"][0]
        (floating_ip,) = httpx.get(f"{server.url}/cloud/v1/floatingips/1/1", headers=HEADERS).json()["results"]
    with run_server(tmp_path / "data", *options) as server:
        second = read_names(server.url, KEY)
        report = httpx.get(f"{server.url}/startupz").json()

    assert second == first
    assert report["steps"] == [{"name": "cloud.yaml", "kind": "seed", "state": "complete", "error": ""}]
    assert {"backend", "edge", "web", "laptop", "apart", "data", "root", "web-1", "second"} <= {
        json.loads(name) for names in first.values() for name in names
    }
    assert (instance["name"], instance["flavor"]["flavor_id"]) == ("web-1", "g1-standard-1-2")
    assert len(instance["volumes"]) == 2
    assert {address["addr"] for address in instance["addresses"]["backend"]} == {
        "10.7.0.50",
        floating_ip["floating_ip_address"],
    }
    assert {tag["key"]: tag["value"] for tag in floating_ip["tags"]} == {"name": "entrance", "env": "dev"}


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """Return a seed file of two networks."""
    file = tmp_path / "cloud.yaml"
    file.write_text("networks: [{name: one, subnets: [{name: inner, cidr: 10.9.0.0/24}]}, {name: two}]")
    return file


def hold_networks(tmp_path: Path, *options: str) -> None:
    """Let the creation of networks wait, in every later start."""
    with run_server(tmp_path / "data", *options) as server:
        fault = {"kind": "hold", "task_type": "create_network"}
        httpx.post(f"{server.url}/_pileus/faults", headers=HEADERS, json=fault).raise_for_status()


def wait_for_held_network(server: Server) -> None:
    """Wait until the seed has begun to create the first network."""
    url = f"{server.url}/cloud/v1/tasks?task_type=create_network&state=NEW&state=RUNNING"
    wait_until(lambda: bool(get_json(url).get("count")))


def get_json(url: str) -> Any:
    """Return the body of an answer; an empty object while the server does not answer."""
    try:
        return httpx.get(url, headers=HEADERS).json()
    except httpx.TransportError:
        return {}


def count_networks(server: Server) -> dict[str, int]:
    """Return how many networks and subnets have each name."""
    lists = [get_json(f"{server.url}/cloud/v1/{path}/1/1")["results"] for path in ("networks", "subnets")]
    return dict(Counter(view["name"] for views in lists for view in views if view["name"] in ("one", "inner", "two")))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_seed_that_ctrl_c_has_interrupted_is_completed_by_the_next_start(
    workers: str, seed: Path, tmp_path: Path
) -> None:
    options = ("--seed", str(seed), "--workers", workers)
    hold_networks(tmp_path)
    server = spawn_server(tmp_path / "data", *options)
    wait_for_held_network(server)

    report = get_json(f"{server.url}/startupz")
    code = server.stop(signal.SIGINT)
    assert (code, report["state"]) == (0, "running")
    assert '"level":"error"' not in server.log.read_text()

    server = spawn_server(tmp_path / "data", *options)
    waiting = "The seed file waits for unfinished tasks"
    wait_until(lambda: waiting in server.log.read_text())
    httpx.delete(f"{server.url}/_pileus/faults", headers=HEADERS).raise_for_status()
    wait_until_ready(server)

    assert count_networks(server) == {"one": 1, "inner": 1, "two": 1}
    assert server.stop() == 0


def test_a_seed_goes_on_when_the_server_processes_die(seed: Path, tmp_path: Path) -> None:
    options = ("--seed", str(seed), "--workers", "2")
    hold_networks(tmp_path)
    server = spawn_server(tmp_path / "data", *options)
    wait_for_held_network(server)

    for pid in list_descendants(server.process.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "The seed file is applied again" in server.log.read_text())
    fault_url = f"{server.url}/_pileus/faults"
    wait_until(lambda: bool(get_json(fault_url)))
    httpx.delete(fault_url, headers=HEADERS).raise_for_status()
    wait_until_ready(server)

    assert count_networks(server) == {"one": 1, "inner": 1, "two": 1}
    assert server.stop() == 0


def test_a_wrong_file_ends_the_start_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text('[[networks]]\nname = "a"\ntpye = "vlan"\n')
    server = spawn_server(tmp_path / "data", "--seed", str(file))

    output, _ = server.process.communicate(timeout=TIMEOUT)

    assert server.process.returncode == 1
    assert "Pileus is ready." not in output
    message = f"{file}: networks[0].tpye: the network has no such field: did you mean type?"
    assert [line for line in server.log.read_text().splitlines() if message in line]
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize(("text", "message"), WRONG_SEEDS.items(), ids=range(len(WRONG_SEEDS)))
def test_a_mistake_is_reported_with_its_place_in_the_file(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text(text)

    with pytest.raises(SeedError) as error, cloud(seed=file):
        pass

    assert str(error.value).startswith(f"{file}: {message}")
    assert "\n" not in str(error.value)
