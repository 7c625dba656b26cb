"""Test load balancers of a server that is not root."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gcore import Gcore, InternalServerError

from tests.drivers.qemu.drivers import guest_image
from tests.drivers.qemu.rootless import RootlessUser, make_rootless_user
from tests.machines.real import end_all
from tests.packaging.distributions import ROOT
from tests.requirements import skip_unless_required
from tests.servers import KEY, start_server

REAL_TRAFFIC = (
    "test_requests_go_on_when_a_member_dies_and_comes_back_in_turn",
    "test_floating_ips_and_forwarded_ports_lead_to_the_listeners",
    "test_counters_outlive_the_processes_that_count",
)


@pytest.fixture
def rootless() -> Iterator[RootlessUser]:
    """A user that is not root, on a host with its programs."""
    if os.geteuid() != 0:
        skip_unless_required("the tests run as another user than root: those of real traffic are rootless already")
    if missing := [name for name in ("qemu-system-x86_64", "haproxy", "curl") if not shutil.which(name)]:
        skip_unless_required(f"needs {', '.join(missing)}")
    guest_image()
    with make_rootless_user() as user:
        yield user
        end_all(user.data)


def test_load_balancers_of_other_users_than_root_carry_traffic(rootless: RootlessUser) -> None:
    """A user namespace takes the place of root's rights; the TAP devices in it go to the fabric."""
    tests = [f"tests/drivers/qemu/test_load_balancers.py::{name}" for name in REAL_TRAFFIC]
    options = ("-p", "no:cacheprovider", "-n", "0", f"--basetemp={rootless.data}/temp")
    done = subprocess.run(
        rootless.command(sys.executable, "-B", "-m", "pytest", *options, *tests),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert re.search(rf"^{len(REAL_TRAFFIC)} passed in", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_without_a_tap_device_creation_is_refused_with_what_to_do(rootless: RootlessUser) -> None:
    server = start_server(rootless.data / "home", "--driver", "qemu", prefix=rootless.command(tun_mode="600"))
    try:
        client = Gcore(base_url=server.url, api_key=KEY, cloud_project_id=1, cloud_region_id=1, max_retries=0)
        listener: Any = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
        with client, pytest.raises(InternalServerError) as refusal:
            client.cloud.load_balancers.create(name="web", flavor="lb1-1-2", listeners=[listener])
        tasks = httpx.get(f"{server.url}/cloud/v1/tasks", headers={"Authorization": f"APIKey {KEY}"}).json()
    finally:
        server.stop()

    assert refusal.value.status_code == 503
    assert "Permission denied: '/dev/net/tun'" in refusal.value.message
    assert "start the server as root, or allow users both" in refusal.value.message
    assert "chmod 666 /dev/net/tun" in refusal.value.message
    assert tasks["count"] == 0
