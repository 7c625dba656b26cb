"""Test the lifecycle of instances through the API and inside of the guest."""

import os
import re
import signal
import subprocess
import urllib.request
from base64 import b64encode, encodebytes
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from gcore import Gcore

from tests.file_modes import TRAVERSABLE, mode_of, paths_open_to_others
from tests.machines.real import LARGER, OPTIONS, SMALL, SYSTEM, RealCloud, open_web_port, processes, until
from tests.servers import start_server

METADATA = "http://169.254.169.254"
FOR_MACHINES = (
    r"qemu/images/[^/]+-[0-9a-f]{12}\.qcow2 444",
    r"qemu/(images|snapshots)/[^/]+\.qcow2 440",
    r"qemu/machines/[^/]+/(events|qmp|vnc)\.sock 770",
    r"qemu/net/wires/\d+ 710",
    r"qemu/net/wires/\d+/guests 2770",
    r"qemu/net/wires/\d+/[^/]+\.host 777",
    r"qemu/net/wires/\d+/guests/[^/]+\.guest 770",
)
"""What machines may use if the server is root. Groups belong to one tenant, and sockets lie in its directories."""


def read_metadata(real: RealCloud, instance_id: str, path: str) -> str:
    """Return an answer of the metadata service."""
    return real.ssh(instance_id, f"wget -qO- {METADATA}{path}")


def test_metadata_follows_changes_of_name_and_tags(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "web", tags={"env": "prod", "old": "1"})

    assert real.ssh(instance_id, "hostname").strip() == "web"
    login = real.cli("instances", "ssh", instance_id, "--user", "root", "--print").split()
    assert real.run_by_ssh(login, "hostname").stdout.strip() == "web"
    assert '"name": "web"' in read_metadata(real, instance_id, "/openstack/latest/meta_data.json")
    assert read_metadata(real, instance_id, "/latest/meta-data/tags/instance/env") == "prod"
    instance = client.cloud.instances.get(instance_id=instance_id)
    (address,) = [
        item.addr
        for network_addresses in instance.addresses.values()
        for item in network_addresses
        if ":" not in item.addr
    ]
    assert address in real.ssh(instance_id, "ip address show eth0")

    client.cloud.instances.update(instance_id=instance_id, name="www", tags={"env": "test", "old": None})

    assert '"name": "www"' in read_metadata(real, instance_id, "/openstack/latest/meta_data.json")
    assert read_metadata(real, instance_id, "/latest/meta-data/tags/instance/env") == "test"
    assert "404" in read_metadata(real, instance_id, "/latest/meta-data/tags/instance/old")
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_user_data_runs_and_an_opened_port_is_reachable(real: RealCloud, client: Gcore) -> None:
    script = b"#!/bin/sh\n# " + b"." * 80 + b"\necho hello > /var/www/hello\necho RAN > /dev/ttyS0\n"
    instance_id = real.order(client, "served", user_data=encodebytes(script).decode())
    real.ssh(instance_id, "true")

    def read_page() -> bytes | None:
        forwards = real.list_forwards("instances", instance_id)
        port = next((forward["host_port"] for forward in forwards if forward["port"] == 80), 9)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=5) as response:
                content: bytes = response.read()
                return content
        except OSError:
            return None

    with open_web_port(client, instance_id):
        assert until(read_page) == b"hello\n"
    log = real.cli("instances", "log", instance_id)
    assert "tiny guest ready: served" in log
    assert "RAN" in log
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_binary_user_data_come_byte_for_byte_by_dated_versions(real: RealCloud, client: Gcore) -> None:
    content = bytes(range(256)) * 4
    instance_id = real.order(client, "binary", user_data=b64encode(content).decode())

    for path in ("/latest/user-data", "/2009-04-04/user-data", "/openstack/2012-08-10/user_data"):
        checksum = real.ssh(instance_id, f"wget -qO- {METADATA}{path} | sha256sum").split()[0]
        assert checksum == sha256(content).hexdigest()
    assert read_metadata(real, instance_id, "/2009-04-04/meta-data/instance-id") == instance_id
    assert read_metadata(real, instance_id, "/latest/meta-data/instance-type") == SMALL
    assert '"availability_zone": "nova"' in read_metadata(real, instance_id, "/openstack/2018-08-27/meta_data.json")
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_disks_are_attached_resized_and_reverted_to_snapshots(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "disks")
    volume = client.cloud.volumes.create_and_poll(source="new-volume", name="data", size=1)
    client.cloud.volumes.attach_to_instance_and_poll(volume_id=volume.id, instance_id=instance_id)

    assert real.ssh(instance_id, "cat /sys/block/vdb/size").strip() == str(1 << 21)
    assert real.ssh(instance_id, "cat /sys/block/vdb/serial").strip() == volume.id[:20]
    real.ssh(instance_id, "echo first > /dev/vdb; sync")
    snapshot = client.cloud.volume_snapshots.create_and_poll(name="then", volume_id=volume.id)
    real.ssh(instance_id, "echo second > /dev/vdb; sync")
    assert real.ssh(instance_id, "head -n 1 /dev/vdb").strip() == "second"

    client.cloud.volumes.detach_from_instance_and_poll(volume_id=volume.id, instance_id=instance_id)
    assert "vdb" not in real.ssh(instance_id, "ls /dev")
    client.cloud.volumes.revert_to_last_snapshot(volume_id=volume.id)
    until(lambda: client.cloud.volumes.get(volume_id=volume.id).status == "available")
    client.cloud.volumes.attach_to_instance_and_poll(volume_id=volume.id, instance_id=instance_id)
    assert real.ssh(instance_id, "head -n 1 /dev/vdb").strip() == "first"

    client.cloud.volumes.resize_and_poll(volume_id=volume.id, size=2)
    assert until(lambda: real.ssh(instance_id, "cat /sys/block/vdb/size").strip() == str(2 << 21))

    copy = client.cloud.volumes.create_and_poll(source="snapshot", name="copy", snapshot_id=snapshot.id)
    client.cloud.volumes.attach_to_instance_and_poll(volume_id=copy.id, instance_id=instance_id)
    assert real.ssh(instance_id, "head -n 1 /dev/vdc").strip() == "first"
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_files_of_machines_are_private_to_the_server_and_to_qemu(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "private")
    volume = client.cloud.volumes.create_and_poll(source="image", name="system", image_id=SYSTEM, size=5)
    client.cloud.volume_snapshots.create_and_poll(name="then", volume_id=volume.id)
    tasks = client.cloud.instances.images.create_from_volume(name="copy", volume_id=volume.id)
    client.cloud.tasks.poll(task_id=tasks.tasks[0])

    names = (
        "",
        "/file_shares",
        "/images",
        "/load_balancers",
        "/machines",
        "/net",
        "/net/wires",
        "/snapshots",
        "/volumes",
    )
    open_paths = paths_open_to_others(real.data, traversable=tuple(f"qemu{name}" for name in names))

    others = [path for path in open_paths if not path.startswith("images")]
    assert [path for path in others if not any(re.fullmatch(pattern, path) for pattern in FOR_MACHINES)] == []
    assert mode_of(real.data) in (0o755, TRAVERSABLE)
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run machines as other users")
def test_machines_of_two_tenants_run_as_two_users_that_cannot_read_the_servers_files(
    real: RealCloud, client: Gcore
) -> None:
    tenant = client.post("/_pileus/tenants", body={"name": "other"}, cast_to=dict[str, Any])
    key = client.post(f"/_pileus/tenants/{tenant['id']}/keys", body={"name": "key"}, cast_to=dict[str, Any])
    with real.client(api_key=key["token"]) as probe:
        (project,) = probe.cloud.projects.list().results
    other = real.client(api_key=key["token"], cloud_project_id=project.id)
    instance_ids = [real.order(client, "mine"), real.order(other, "theirs", ssh_key_name=None)]

    users = [Path(f"/proc/{real.pid(instance_id)}").stat().st_uid for instance_id in instance_ids]
    files = [real.data / name for name in ("pileus.db", "pileus.db-wal", "secrets.key", "qemu/facts.db")]

    assert len({os.geteuid(), *users}) == 3
    for user in users:
        command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "cat"]
        refusals = [subprocess.run([*command, str(file)], capture_output=True, check=False) for file in files]
        assert all(b"Permission denied" in refusal.stderr for refusal in refusals)
    client.cloud.instances.delete_and_poll(instance_id=instance_ids[0])
    other.cloud.instances.delete_and_poll(instance_id=instance_ids[1])
    other.close()


def test_a_resized_machine_has_the_size_of_its_flavor(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "grows")
    before = real.ssh(instance_id, "nproc; sed -n 's/MemTotal: *//p' /proc/meminfo").split()

    client.cloud.instances.resize_and_poll(instance_id=instance_id, flavor_id=LARGER)
    after = real.ssh(instance_id, "nproc; sed -n 's/MemTotal: *//p' /proc/meminfo").split()

    assert (before[0], after[0]) == ("1", "2")
    assert int(after[1]) > 3 << 20 > int(before[1])
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_a_guest_shutdown_and_a_killed_process_are_observed(real: RealCloud, client: Gcore) -> None:
    """A guest that shuts down is SHUTOFF, a machine whose process is killed is in ERROR; both can be started again."""
    instance_id = real.order(client, "free")
    real.power_off(instance_id)
    real.status(client, instance_id, "SHUTOFF")

    client.cloud.instances.action_and_poll(instance_id=instance_id, action="start")
    assert real.ssh(instance_id, "hostname").strip() == "free"
    os.kill(real.pid(instance_id), signal.SIGKILL)
    real.status(client, instance_id, "ERROR")
    assert "SIGKILL" in real.server.log.read_text() or "QEMU ended" in real.server.log.read_text()

    client.cloud.instances.action_and_poll(instance_id=instance_id, action="reboot_hard")
    assert real.ssh(instance_id, "hostname").strip() == "free"
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_a_machine_resumes_and_starts_after_suspend_and_stop(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "rests")
    real.ssh(instance_id, "echo awake > /tmp/mark")

    client.cloud.instances.action_and_poll(instance_id=instance_id, action="suspend")
    assert client.cloud.instances.get(instance_id=instance_id).status == "SUSPENDED"
    client.cloud.instances.action_and_poll(instance_id=instance_id, action="resume")
    assert real.ssh(instance_id, "cat /tmp/mark").strip() == "awake"
    client.cloud.instances.action_and_poll(instance_id=instance_id, action="stop")
    assert client.cloud.instances.get(instance_id=instance_id).status == "SHUTOFF"
    client.cloud.instances.action_and_poll(instance_id=instance_id, action="start")

    assert "awake" not in real.ssh(instance_id, "cat /tmp/mark")
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_machines_outlive_a_killed_server_and_are_found_by_the_next(real: RealCloud, client: Gcore) -> None:
    instance_id = real.order(client, "survivor")
    real.ssh(instance_id, "echo here > /tmp/mark")
    pid, port = real.pid(instance_id), int(real.server.url.rpartition(":")[2])

    real.server.stop(signal.SIGKILL)
    os.kill(pid, 0)
    real.server = start_server(real.data, *OPTIONS, port=port)

    assert client.cloud.instances.get(instance_id=instance_id).status == "ACTIVE"
    assert real.ssh(instance_id, "cat /tmp/mark").strip() == "here"
    assert real.pid(instance_id) == pid
    client.cloud.instances.update(instance_id=instance_id, name="found")
    assert '"name": "found"' in read_metadata(real, instance_id, "/openstack/latest/meta_data.json")
    client.cloud.instances.delete_and_poll(instance_id=instance_id)
    assert pid not in dict(processes(real.data))
