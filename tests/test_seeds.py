"""Seed files: a start creates what they describe, once, and refuses wrong files with one line."""

import json
from pathlib import Path

import httpx
import pytest

from pileus.seeds.files import SeedError
from pileus.testing import cloud
from tests.servers import KEY, TIMEOUT, run_server, spawn_server

SEED = """
networks:
- name: backend
  subnets:
  - {name: backend-a, cidr: 10.7.0.0/24, tags: {tier: data}}
routers:
- name: edge
  interfaces: [{type: subnet, subnet_id: backend-a}]
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
  interfaces: [{type: subnet, network_id: backend, subnet_id: backend-a}]
  tags: {env: dev}
projects:
- name: second
  networks: [{name: other}]
"""
LISTS = {
    "networks": "networks/1/1", "subnets": "subnets/1/1", "routers": "routers/1/1", "groups": "securitygroups/1/1",
    "ssh_keys": "ssh_keys/1", "placement_groups": "servergroups/1/1", "volumes": "volumes/1/1",
    "instances": "instances/1/1", "projects": "projects", "tasks": "tasks",
}  # fmt: skip
WRONG_SEEDS = {
    "instance: []": "instance: there is no such kind: did you mean instances?",
    "networks: {}": "networks: must be a list",
    "networks: [{name: a, tpye: vlan}]": "networks[0].tpye: a network has no such field: did you mean type?",
    "networks: [{}]": "networks[0].name: a network needs a name, which is text",
    "networks: [{name: a}, {name: a}]": "networks[1].name: networks[0] has the name a already",
    "networks: [{name: a, subnets: [{name: b, cidr: 10.0.0.0/24, gatway_ip: null}]}]": (
        "networks[0].subnets[0].gatway_ip: a subnet has no such field: did you mean gateway_ip?"
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
    "networks: [": "it is neither YAML nor TOML by its suffix: ",
}


def read_names(url: str, key: str) -> dict[str, list[str]]:
    headers = {"Authorization": f"APIKey {key}"}
    with httpx.Client(base_url=f"{url}/cloud/v1/", headers=headers) as http:
        views = {name: http.get(path).raise_for_status().json()["results"] for name, path in LISTS.items()}
    return {name: sorted(json.dumps(view.get("name") or view["id"]) for view in items) for name, items in views.items()}


def test_a_start_creates_what_the_file_describes_and_the_next_start_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text(SEED)

    with run_server(tmp_path / "data", "--seed", str(file)) as server:
        first = read_names(server.url, KEY)
        headers = {"Authorization": f"APIKey {KEY}"}
        instance = httpx.get(f"{server.url}/cloud/v1/instances/1/1", headers=headers).json()["results"][0]
    with run_server(tmp_path / "data", "--seed", str(file)) as server:
        second = read_names(server.url, KEY)

    assert second == first
    assert {"backend", "edge", "web", "laptop", "apart", "data", "root", "web-1", "second"} <= {
        json.loads(name) for names in first.values() for name in names
    }
    assert (instance["name"], instance["flavor"]["flavor_id"]) == ("web-1", "g1-standard-1-2")
    assert len(instance["volumes"]) == 2
    assert list(instance["addresses"]) == ["backend"]


def test_a_wrong_file_ends_the_start_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text('[[networks]]\nname = "a"\ntpye = "vlan"\n')
    server = spawn_server(tmp_path / "data", "--seed", str(file))

    output, _ = server.process.communicate(timeout=TIMEOUT)

    assert server.process.returncode == 1
    assert "Pileus is ready." not in output
    message = f"{file}: networks[0].tpye: a network has no such field: did you mean type?"
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
