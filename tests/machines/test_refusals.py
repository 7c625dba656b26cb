"""Test what a server with real machines refuses: too many machines, and consoles without a valid ticket."""

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

from tests.machines.real import SMALL, SYSTEM, RealCloud, end_all, until
from tests.servers import KEY, free_port, run_server

REFUSED, BINARY = 4403, [Subprotocol("binary")]
DISK = {"source": "image", "image_id": SYSTEM, "size": 5, "boot_index": 0}


def test_there_is_room_for_no_more_than_the_host_is_to_have(real: RealCloud) -> None:
    """With hardly any memory for machines, the request is refused."""
    narrow = real.data.parent / "narrow"
    try:
        with run_server(narrow, "--driver", "qemu", "--qemu-ram-ratio", "0.0001") as server:
            ready = httpx.get(f"{server.url}/readyz").json()
            client = Gcore(base_url=server.url, api_key=KEY, cloud_project_id=1, cloud_region_id=1, max_retries=0)
            order: Any = {"name": "web", "flavor": SMALL, "interfaces": [{"type": "external"}], "volumes": [DISK]}
            with client, pytest.raises(PermissionDeniedError, match=f"has reached the limit of flavor {SMALL}"):
                client.cloud.instances.create(**order)
            assert "QEMU" in ready["driver_details"]
    finally:
        end_all(narrow)


def test_the_reason_why_a_server_is_not_ready_is_logged_once(real: RealCloud) -> None:
    data = real.data.parent / "apart"
    log, address = data.with_suffix(".log"), f"127.0.0.1:{free_port()}"
    options = ("--port", address.rpartition(":")[2], "--driver", "qemu", "--qemu-bridges", "pub_net=br77")
    with log.open("w") as log_output:
        process = Popen([sys.executable, "-m", "pileus", "serve", "--data", str(data), *options], stderr=log_output)
    try:
        until(lambda: "Not ready yet" in log.read_text())
        response = httpx.get(f"http://{address}/readyz")
    finally:
        process.terminate()
        code = process.wait(20)
        end_all(data)

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["why"] for entry in entries if entry["event"] == "Not ready yet"] == [response.json()["message"]]
    assert "The host has no bridge br77: make it, or leave it out of --qemu-bridges" in response.json()["message"]
    assert not any("exception" in entry for entry in entries)
    assert (response.status_code, code) == (503, 0)


@pytest.mark.parametrize(
    "path", ["../page.html", "..%2f..%2fcall.py", "novnc/../../package.json", "package.json", "x.js"]
)
def test_the_console_page_serves_its_own_files_only(real: RealCloud, path: str) -> None:
    assert httpx.get(f"{real.server.url}/screens/static/{path}").status_code == 404


def test_the_console_page_forbids_frames_and_caching(real: RealCloud) -> None:
    page = httpx.get(f"{real.server.url}/screens")

    assert page.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example.org"])
def test_without_a_ticket_or_from_another_origin_the_socket_is_closed(real: RealCloud, origin: str | None) -> None:
    address = real.server.url.replace("http", "ws", 1) + "/screens/socket?ticket=m.99999999999.00"
    headers = {"Origin": origin} if origin else {}

    with (
        connect(address, additional_headers=headers, subprotocols=BINARY) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=10)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == REFUSED
