"""Test the console page in a real browser."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gcore import Gcore

from tests.machines.real import RealCloud

BROWSER = Path(__file__).parents[1] / "browser"


@pytest.fixture(scope="module")
def describe_page() -> Any:
    """Return a function that opens an address in Chromium and describes the page."""
    if not (shutil.which("chromium") and shutil.which("npm")):
        pytest.skip("needs Chromium and npm: apt-get install chromium npm")
    if not (BROWSER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=BROWSER, check=True)
    subprocess.run([BROWSER.parents[1] / "scripts/novnc"], check=True)

    def describe(address: str, screenshot: Path) -> dict[str, Any]:
        command = ["node", str(BROWSER / "console.mjs"), address, str(screenshot)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr
        page: dict[str, Any] = json.loads(done.stdout)
        return page

    return describe


def test_the_console_page_shows_the_machines_screen(
    real: RealCloud, client: Gcore, describe_page: Any, tmp_path: Path
) -> None:
    instance_id = real.order(client, "screen")
    real.ssh(instance_id, "true")
    console = client.cloud.instances.get_console(instance_id=instance_id).remote_console

    page = describe_page(console.url, tmp_path / "console.png")

    assert (console.type, console.protocol) == ("novnc", "vnc")
    assert page["errors"] == []
    assert page["state"] == "connected"
    assert page["colours"] > 1
    assert (tmp_path / "console.png").stat().st_size > 5000
    assert console.url.rpartition("#")[2] not in real.server.log.read_text()
    client.cloud.instances.delete_and_poll(instance_id=instance_id)


def test_without_a_valid_ticket_nothing_is_shown(
    real: RealCloud, client: Gcore, describe_page: Any, tmp_path: Path
) -> None:
    instance_id = real.order(client, "hidden")
    address = client.cloud.instances.get_console(instance_id=instance_id).remote_console.url

    for invalid in (address[:-1] + ("0" if address[-1] != "0" else "1"), address.replace(instance_id, "another")):
        page = describe_page(invalid, tmp_path / "console.png")
        assert page["state"].startswith("not connected")
        assert page["colours"] == 0
    client.cloud.instances.delete_and_poll(instance_id=instance_id)
