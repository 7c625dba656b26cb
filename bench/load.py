"""Generate load with wrk."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.servers import KEY

CONNECTIONS = 16
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
MEDIAN = re.compile(r"50%\s+([\d.]+)(us|ms|s)")
REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
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
  return wrk.format("{method}", "/cloud/v1/instances/1/1/" .. id, nil, body)
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
  return wrk.format("DELETE", "/cloud/v1/instances/1/1/" .. deletable[(deleted - 1) % #deletable + 1])
end
"""
PATCH_BODY = """string.format('{"tags":{"k%d":"v%d"}}', n % 5, n)"""


@dataclass(frozen=True, slots=True)
class Load:
    """The rate in requests per second, and the median latency in milliseconds."""

    rate: float
    median: float


def measure_instances(url: str, ids: list[str], method: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Measure GET, or PATCH of one tag, of alternating instances."""
    with tempfile.TemporaryDirectory() as folder:
        id_file, script = Path(folder) / "ids", Path(folder) / "script.lua"
        id_file.write_text("\n".join(ids) + "\n")
        body = PATCH_BODY if method == "PATCH" else "nil"
        script.write_text(SCRIPT.format(ids=id_file, key=KEY, method=method, body=body))
        return _wrk(url, seconds, connections, "-s", str(script))


def measure_mixture(url: str, ids: list[str], deletable: list[str], order: str, *, seconds: float) -> Load:
    """Measure 70 % GET, 20 % PATCH, and 5 % each of create and delete; each of `deletable` is deleted once."""
    with tempfile.TemporaryDirectory() as folder:
        id_file, deletable_file, script = Path(folder) / "ids", Path(folder) / "deletable", Path(folder) / "script.lua"
        id_file.write_text("\n".join(ids) + "\n")
        deletable_file.write_text("\n".join(deletable) + "\n")
        script.write_text(MIXED.format(ids=id_file, deletable=deletable_file, key=KEY, order=order))
        return _wrk(url, seconds, CONNECTIONS, "-s", str(script))


def measure_path(url: str, path: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Measure GET of one path."""
    return _wrk(url + path, seconds, connections, "-H", f"Authorization: APIKey {KEY}")


def _wrk(url: str, seconds: float, connections: int, *more: str) -> Load:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    command = [program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *more, url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if refused := REFUSED.search(output):
        raise SystemExit(f"{refused[1]} requests were refused: {' '.join(command)}")
    rate, median = RATE.search(output), MEDIAN.search(output)
    if rate is None or median is None:
        raise SystemExit(f"wrk printed no rate or latency:\n{output}")
    return Load(float(rate[1]), float(median[1]) * UNITS[median[2]])
