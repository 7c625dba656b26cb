"""Generate load: with wrk for a time, or each of a list of requests once."""

import http.client
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.servers import HEADERS, INSTANCE, INSTANCES, KEY

CONNECTIONS = 16
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
COUNT = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)")
LATENCY = r"{}%\s+([\d.]+)(us|ms|s|m)"
FAILED = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")
SCRIPT = """
local ids = {{}}
for id in io.lines("{ids}") do ids[#ids + 1] = id end
local n = 0
wrk.headers["Authorization"] = "APIKey {key}"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local id = ids[(n * 7919) % #ids + 1]
  local body = {body}
  return wrk.format("{method}", "/cloud/v1/instances/{place}/" .. id, nil, body)
end
"""
MIXED = """
local ids, deletable = {{}}, {{}}
for id in io.lines("{ids}") do ids[#ids + 1] = id end
for id in io.lines("{deletable}") do deletable[#deletable + 1] = id end
local n, deleted = 0, 0
local order = [[{order}]]
wrk.headers["Authorization"] = "APIKey {key}"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local path = "/cloud/v1/instances/1/1/" .. ids[(n * 7919) % #ids + 1]
  local turn = n % 20
  if turn < 14 then return wrk.format("GET", path) end
  if turn < 18 then
    return wrk.format("PATCH", path, nil, string.format('{{"tags":{{"k%d":"v%d"}}}}', n % 5, n))
  end
  if turn == 18 then return wrk.format("POST", "/cloud/v2/instances/1/1", nil, order) end
  deleted = deleted + 1
  if deleted <= #deletable then return wrk.format("DELETE", "/cloud/v1/instances/1/1/" .. deletable[deleted]) end
  if deleted == #deletable + 1 then print("{used_up}") end
  return wrk.format("GET", path)
end
"""
USED_UP = "All instances to delete were deleted"
PATCH_BODY = """string.format('{"tags":{"k%d":"v%d"}}', n % 5, n)"""


@dataclass(frozen=True, slots=True)
class Load:
    """The number of requests, their rate per second, and latencies in milliseconds."""

    requests: int
    rate: float
    p50: float
    p99: float


class HttpRequest(NamedTuple):
    """A request that is sent once."""

    method: str
    path: str
    body: str | None = None


def measure_instances(  # noqa: PLR0913  # each caller names the few that it needs
    url: str, ids: Sequence[str], method: str, *, seconds: float, connections: int = CONNECTIONS, place: str = "1/1"
) -> Load:
    """Measure GET, or PATCH of one tag, of alternating instances of a project and region."""
    with tempfile.TemporaryDirectory() as folder:
        id_file, script = Path(folder) / "ids", Path(folder) / "script.lua"
        id_file.write_text("\n".join(ids) + "\n")
        body = PATCH_BODY if method == "PATCH" else "nil"
        script.write_text(SCRIPT.format(ids=id_file, key=KEY, method=method, body=body, place=place))
        return _run_wrk(url, seconds, connections, "-s", str(script))


def measure_mixture(url: str, ids: Sequence[str], deletable: Sequence[str], order: str, *, seconds: float) -> Load:
    """Measure 70 % GET, 20 % PATCH, and 5 % each of create and delete.

    Each of `deletable` is deleted once; a run that has deleted all of them ends with an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        id_file, deletable_file, script = Path(folder) / "ids", Path(folder) / "deletable", Path(folder) / "script.lua"
        id_file.write_text("\n".join(ids) + "\n")
        deletable_file.write_text("\n".join(deletable) + "\n")
        script.write_text(MIXED.format(ids=id_file, deletable=deletable_file, key=KEY, order=order, used_up=USED_UP))
        return _run_wrk(url, seconds, CONNECTIONS, "-s", str(script))


def measure_path(url: str, path: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Measure GET of one path."""
    return _run_wrk(url + path, seconds, connections, "-H", f"Authorization: APIKey {KEY}")


def _run_wrk(url: str, seconds: float, connections: int, *more: str) -> Load:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    command = [
        program,
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--latency",
        "--timeout",
        "60s",
        *more,
        url,
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if USED_UP in output:
        raise SystemExit(f"{USED_UP} before the end of the measurement: plan more of them for {seconds:g} s")
    if failed := FAILED.search(output):
        raise SystemExit(f"{failed[0]}: {' '.join(command)}")
    count, *latencies = (
        pattern.search(output) for pattern in (COUNT, *(re.compile(LATENCY.format(share)) for share in (50, 99)))
    )
    if count is None or None in latencies:
        raise SystemExit(f"wrk printed no number of requests or latency:\n{output}")
    p50, p99 = (float(match[1]) * UNITS[match[2]] for match in latencies if match)
    requests = int(count[1])
    return Load(requests, 1e3 * requests / (float(count[2]) * UNITS[count[3]]), p50, p99)


def order_instances(order: str, count: int) -> list[HttpRequest]:
    """Return requests that create instances."""
    return [HttpRequest("POST", INSTANCES, order)] * count


def delete_instances(ids: Iterable[str]) -> list[HttpRequest]:
    """Return requests that delete instances."""
    return [HttpRequest("DELETE", INSTANCE + instance_id) for instance_id in ids]


def send_all(url: str, requests: Sequence[HttpRequest], connections: int = CONNECTIONS) -> None:
    """Send each request once, over a number of connections; all must succeed."""
    with ThreadPoolExecutor(connections) as pool:
        shares = [requests[start::connections] for start in range(connections)]
        for sending in [pool.submit(_send_share, url, share) for share in shares if share]:
            sending.result()


def read_each_instance(url: str, ids: Iterable[str]) -> None:
    """Read each instance once: the first GET of one reads all of it, and a slow machine would measure mostly that."""
    send_all(url, [HttpRequest("GET", INSTANCE + instance_id) for instance_id in ids])


def _send_share(url: str, requests: Sequence[HttpRequest]) -> None:
    address = urlsplit(url)
    with closing(http.client.HTTPConnection(address.hostname or "", address.port)) as connection:
        for request in requests:
            send(connection, request)


def send(connection: http.client.HTTPConnection, request: HttpRequest) -> bytes:
    """Send a request, which must succeed, and return the answer."""
    headers = HEADERS | {"Content-Type": "application/json"}
    connection.request(request.method, request.path, request.body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise SystemExit(f"{request.method} {request.path}: {response.status} {content.decode()}")
    return content
