"""Requests through a load balancer of the QEMU driver, against HAProxy alone on the same way of a request.

The member of the measured load balancer is another load balancer, which answers each request with a redirect: so no
part of the figures is that of a guest. HAProxy alone is two processes of this host with the same tasks.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bench.clouds import Clouds, Sizes
from bench.load import measure_path
from bench.machines import end_processes_in
from bench.processes import read_cpu_seconds
from bench.results import Result, Skipped
from bench.servers import HEADERS, Server, free_port, run_pileus
from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms

LOAD_BALANCERS = "/cloud/v1/loadbalancers/1/1"
L7_POLICIES = "/cloud/v1/l7policies/1/1"
LISTENER = {"name": "http", "protocol": "HTTP", "protocol_port": 80}
POOL = {"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
REDIRECT = "https://example.com/"
TIMEOUT = 60.0
CONFIGURATION = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
listen main
  bind 127.0.0.1:{port}
  {action}
"""


def measure_balanced_traffic(clouds: Clouds) -> Iterator[Result | Skipped]:
    """Measure the seconds from the request to the first balanced answer, and requests per second."""
    programs = HaproxyPrograms(is_root=os.geteuid() == 0)
    missing = "" if shutil.which("qemu-system-x86_64") else "QEMU is missing: apt-get install qemu-system-x86"
    if obstacle := missing or programs.find_obstacle():
        yield Skipped("load balancers of real machines", obstacle)
        return
    starts, balanced, alone = [], [], []
    with tempfile.TemporaryDirectory(prefix="pileus-") as folder, _run_cloud(Path(folder)) as (server, client):
        _, address = _create(client, [])
        _redirect_all(client, client.get(LOAD_BALANCERS).json()["results"][0]["listeners"][0]["id"])
        for _ in range(clouds.sizes.rounds):
            seconds, balancer_id, url = _create_before(client, address)
            starts.append(seconds)
            balanced.append(_measure(url, server.cpu_seconds, clouds.sizes))
            _run_task(client, "DELETE", f"{LOAD_BALANCERS}/{balancer_id}")
            alone.append(_measure_haproxy(programs.haproxy, Path(folder), clouds.sizes))
    pairs = list(zip(balanced, alone, strict=True))
    yield Result("create a load balancer, to its first answer", starts, "s")
    yield Result("requests through a load balancer", [load.rate for load in balanced], "/s")
    yield Result(
        "requests/s: through a load balancer / HAProxy alone", [through.rate / direct.rate for through, direct in pairs]
    )
    yield Result(
        "CPU: through a load balancer / HAProxy alone", [through.cpu / direct.cpu for through, direct in pairs]
    )


class _Traffic(NamedTuple):
    """Requests per second, and the CPU time of each in seconds."""

    rate: float
    cpu: float


def _measure(url: str, read_cpu: Callable[[], float], sizes: Sizes) -> _Traffic:
    before = read_cpu()
    load = measure_path(url, "/", seconds=sizes.seconds)
    return _Traffic(load.rate, (read_cpu() - before) / load.requests)


@contextmanager
def _run_cloud(folder: Path) -> Iterator[tuple[Server, httpx.Client]]:
    folder.chmod(0o755)
    with run_pileus(folder / "data", free_port(), "--driver", "qemu") as server:
        try:
            with httpx.Client(base_url=server.url, headers=HEADERS, timeout=30) as client:
                yield server, client
        finally:
            end_processes_in(folder)


def _create(client: httpx.Client, members: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Create a load balancer, and return its id and its address."""
    order = {"name": "web", "listeners": [{**LISTENER, "pools": [{**POOL, "members": members}]}]}
    created = _run_task(client, "POST", LOAD_BALANCERS, order)
    (balancer_id,) = created["loadbalancers"]
    return balancer_id, client.get(f"{LOAD_BALANCERS}/{balancer_id}").json()["vip_address"]


def _redirect_all(client: httpx.Client, listener_id: str) -> None:
    """Let a listener answer every request itself."""
    policy = {"listener_id": listener_id, "action": "REDIRECT_TO_URL", "redirect_url": REDIRECT}
    _run_task(client, "POST", L7_POLICIES, policy)
    (created,) = client.get(L7_POLICIES).json()["results"]
    rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/"}
    _run_task(client, "POST", f"{L7_POLICIES}/{created['id']}/rules", rule)


def _create_before(client: httpx.Client, address: str) -> tuple[float, str, str]:
    """Create a load balancer before an address; return the seconds until that answered, its id and its URL."""
    started_at = time.monotonic()
    balancer_id, _ = _create(client, [{"address": address, "protocol_port": 80}])
    (forward,) = client.get(f"/_pileus/loadbalancers/1/1/{balancer_id}/port_forwards").json()
    url = f"http://{forward['host_address']}:{forward['host_port']}"
    _wait_until(lambda: _is_redirected(url))
    return time.monotonic() - started_at, balancer_id, url


def _run_task(
    client: httpx.Client, method: str, path: str, order: dict[str, Any] | None = None
) -> dict[str, list[str]]:
    """Change something, and return the created resources at the end of the task."""
    (task_id,) = client.request(method, path, json=order).raise_for_status().json()["tasks"]
    task = _wait_until(lambda: _find_ended_task(client, task_id))
    if task["state"] != "FINISHED":
        raise SystemExit(task["error"])
    created: dict[str, list[str]] = task["created_resources"] or {}
    return created


def _find_ended_task(client: httpx.Client, task_id: str) -> dict[str, Any] | None:
    task: dict[str, Any] = client.get(f"/cloud/v1/tasks/{task_id}").json()
    return task if task["state"] in {"FINISHED", "ERROR"} else None


def _measure_haproxy(program: str, folder: Path, sizes: Sizes) -> _Traffic:
    """Measure requests through HAProxy to another HAProxy, without anything of Pileus."""
    ports = [free_port(), free_port()]
    actions = [f"server other 127.0.0.1:{ports[1]}", f"http-request redirect location {REDIRECT}"]
    processes = []
    try:
        for port, action in zip(ports, actions, strict=True):
            file = folder / f"haproxy-{port}.cfg"
            file.write_text(CONFIGURATION.format(port=port, action=action), "utf-8")
            processes.append(subprocess.Popen([program, "-db", "-q", "-f", str(file)]))
        url = f"http://127.0.0.1:{ports[0]}"
        _wait_until(lambda: _is_redirected(url))
        return _measure(url, lambda: sum(read_cpu_seconds(process.pid) for process in processes), sizes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _is_redirected(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_redirect
    except httpx.HTTPError:
        return False


def _wait_until(poll: Callable[[], Any]) -> Any:
    """Poll until the result is true, and return it."""
    end = time.monotonic() + TIMEOUT
    while not (result := poll()):
        if time.monotonic() > end:
            raise SystemExit("A load balancer does not answer in time")
        time.sleep(0.01)
    return result
