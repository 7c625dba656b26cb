"""What a cloud of real machines refuses: more than its host has room for, and who has no ticket for a screen."""

import json
import sys
from subprocess import Popen
from typing import Any

import httpx
import pytest
from gcore import Gcore, PermissionDeniedError
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.machines.real import SMALL, SYSTEM, Real, end_all, until
from tests.servers import KEY, free_port, serving

REFUSED, BINARY = 4403, [Subprotocol("binary")]
DISK = {"source": "image", "image_id": SYSTEM, "size": 5, "boot_index": 0}


def test_there_is_room_for_no_more_than_the_host_is_to_have(real: Real) -> None:
    """Where hardly any of the host's memory is promised, nothing is made, and nothing is written."""
    narrow = real.data.parent / "narrow"
    try:
        with serving(narrow, "--driver", "qemu", "--qemu-ram-ratio", "0.0001") as server:
            ready = httpx.get(f"{server.url}/readyz").json()
            client = Gcore(base_url=server.url, api_key=KEY, cloud_project_id=1, cloud_region_id=1, max_retries=0)
            wanted: Any = {"name": "web", "flavor": SMALL, "interfaces": [{"type": "external"}], "volumes": [DISK]}
            with client, pytest.raises(PermissionDeniedError, match=f"has reached the limit of flavor {SMALL}"):
                client.cloud.instances.create(**wanted)
            assert "QEMU" in ready["driver_details"]
    finally:
        end_all(narrow)


def test_what_keeps_a_server_from_being_ready_is_told_once(real: Real) -> None:
    data = real.data.parent / "apart"
    log, address = data.with_suffix(".log"), f"127.0.0.1:{free_port()}"
    options = ("--port", address.rpartition(":")[2], "--driver", "qemu", "--qemu-bridges", "pub_net=br77")
    with log.open("w") as said:
        process = Popen([sys.executable, "-m", "pileus", "serve", "--data", str(data), *options], stderr=said)
    try:
        until(lambda: "Not ready yet" in log.read_text())
        asked = httpx.get(f"http://{address}/readyz")
    finally:
        process.terminate()
        code = process.wait(20)
        end_all(data)

    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["why"] for each in told if each["event"] == "Not ready yet"] == [asked.json()["message"]]
    assert "The host has no bridge br77: make it, or leave it out of --qemu-bridges" in asked.json()["message"]
    assert not any("exception" in each for each in told)
    assert (asked.status_code, code) == (503, 0)


@pytest.mark.parametrize(
    "path", ["../page.html", "..%2f..%2fcall.py", "novnc/../../package.json", "package.json", "x.js"]
)
def test_the_page_is_made_of_its_own_files_alone(real: Real, path: str) -> None:
    assert httpx.get(f"{real.server.url}/screens/static/{path}").status_code == 404


def test_the_page_lets_nobody_else_in(real: Real) -> None:
    page = httpx.get(f"{real.server.url}/screens")

    assert page.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example.org"])
def test_without_a_ticket_or_from_another_page_the_socket_is_closed(real: Real, origin: str | None) -> None:
    address = real.server.url.replace("http", "ws", 1) + "/screens/socket?ticket=m.99999999999.00"
    headers = {"Origin": origin} if origin else {}

    with (
        connect(address, additional_headers=headers, subprotocols=BINARY) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=10)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == REFUSED
