"""Real machines in OpenStack, used by the official SDK and from inside."""

import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from gcore import Gcore

from pileus.drivers.openstack.names import engine_name
from tests.machines.real import until
from tests.openstack.engine import read_page
from tests.openstack.installations import LARGER, PATIENCE, Installation
from tests.openstack.life.conftest import Machines, open_port


def test_a_machine_knows_its_name_and_answers_at_its_floating_ip(
    installation: Installation, client: Gcore, machines: Machines
) -> None:
    assert read_page(machines.floating_ip) == "<h1>web</h1>\n"
    assert installation.ssh(machines.floating_ip, "hostname").strip() == "web"
    assert client.cloud.instances.get(instance_id=machines.web_id).status == "ACTIVE"


def test_machines_on_two_hosts_reach_each_other(installation: Installation, machines: Machines) -> None:
    hosts = {
        installation.engine.server_of(instance_id)["OS-EXT-SRV-ATTR:host"]
        for instance_id in (machines.web_id, machines.other_id)
    }

    assert hosts == {"host1", "host2"}
    fetch = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {machines.other_address} 80"
    assert until(lambda: "<h1>other</h1>" in installation.ssh(machines.floating_ip, fetch), PATIENCE)


def test_a_security_group_opens_and_closes_a_port(
    installation: Installation, client: Gcore, machines: Machines
) -> None:
    installation.ssh(machines.floating_ip, "netstat -lnt | grep -q :8081 || httpd -p 8081 -h /var/www")
    assert read_page(machines.floating_ip, 8081) is None

    open_port(client, machines.group_id, 8081)
    assert until(lambda: read_page(machines.floating_ip, 8081)) == "<h1>web</h1>\n"

    group = client.cloud.security_groups.get(group_id=machines.group_id)
    (rule,) = [rule for rule in group.security_group_rules or [] if rule.port_range_min == 8081]
    client.cloud.security_groups.rules.delete(group_id=machines.group_id, rule_id=rule.id)
    until(lambda: read_page(machines.floating_ip, 8081) is None)
    assert read_page(machines.floating_ip) == "<h1>web</h1>\n"


def test_a_volume_is_attached_written_and_read_inside(
    installation: Installation, client: Gcore, machines: Machines
) -> None:
    volume = client.cloud.volumes.create_and_poll(source="new-volume", name="data", size=1)
    place: Any = {"volume_id": volume.id, "instance_id": machines.web_id}
    try:
        client.cloud.volumes.attach_to_instance_and_poll(**place)
        device = until(lambda: installation.ssh(machines.floating_ip, "ls /dev/vdb 2>/dev/null"), PATIENCE).strip()
        installation.ssh(machines.floating_ip, f"echo kept | dd of={device} conv=fsync 2>/dev/null")
        client.cloud.volumes.detach_from_instance_and_poll(**place)
        until(lambda: not installation.ssh(machines.floating_ip, f"ls {device} 2>/dev/null"), PATIENCE)
        client.cloud.volumes.attach_to_instance_and_poll(**place)
        until(lambda: installation.ssh(machines.floating_ip, f"ls {device} 2>/dev/null"), PATIENCE)

        assert installation.ssh(machines.floating_ip, f"head -n 1 {device}") == "kept\n"
    finally:
        client.cloud.volumes.detach_from_instance_and_poll(**place)
        client.cloud.volumes.delete_and_poll(volume_id=volume.id)


def test_a_resized_machine_has_the_size_of_its_flavor(
    installation: Installation, client: Gcore, machines: Machines
) -> None:
    assert installation.ssh(machines.floating_ip, "nproc").strip() == "1"

    client.cloud.instances.resize_and_poll(instance_id=machines.web_id, flavor_id=LARGER)

    assert until(lambda: installation.ssh(machines.floating_ip, "nproc").strip() == "2", PATIENCE)
    assert client.cloud.instances.get(instance_id=machines.web_id).status == "ACTIVE"
    assert len(installation.engine.find_all("servers", tags=engine_name(machines.web_id))) == 1


def test_the_console_page_is_served_and_leads_to_the_screen(client: Gcore, machines: Machines) -> None:
    console = client.cloud.instances.get_console(instance_id=machines.web_id).remote_console
    address, page = urlsplit(console.url), httpx.get(console.url, timeout=20)

    assert (console.type, console.protocol, page.status_code) == ("novnc", "vnc", 200)
    assert "noVNC" in page.text
    (path,) = parse_qs(address.query)["path"]
    assert b"RFB 003." in _open_screen(str(address.hostname), int(address.port or 0), path)


def test_the_log_of_a_machine_is_read(installation: Installation, machines: Machines) -> None:
    assert "tiny guest ready: other" in installation.cli("instances", "log", machines.other_id)


def _open_screen(host: str, port: int, path: str) -> bytes:
    """Open the WebSocket that the page opens, and return the first bytes that come."""
    request = (
        f"GET /{path.lstrip('/')} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(request.encode())
        received = b""
        while b"RFB 003." not in received and (part := connection.recv(4096)):
            received += part
    return received
