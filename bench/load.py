"""Load by wrk: many connections for a while, or one for the time of a single request."""

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
local ids, doomed = {{}}, {{}}
for id in io.lines("{ids}") do ids[#ids + 1] = id end
for id in io.lines("{doomed}") do doomed[#doomed + 1] = id end
local n, gone = 0, 0
local order = [[{order}]]
wrk.headers["Authorization"] = "APIKey {key}"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local one = "/cloud/v1/instances/1/1/" .. ids[(n * 7919) % #ids + 1]
  local turn = n % 20
  if turn < 14 then return wrk.format("GET", one) end
  if turn < 18 then
    return wrk.format("PATCH", one, nil, string.format('{{"tags":{{"k%d":"v%d"}}}}', n % 5, n))
  end
  if turn == 18 then return wrk.format("POST", "/cloud/v2/instances/1/1", nil, order) end
  gone = gone + 1
  return wrk.format("DELETE", "/cloud/v1/instances/1/1/" .. doomed[(gone - 1) % #doomed + 1])
end
"""
CHANGE = """string.format('{"tags":{"k%d":"v%d"}}', n % 5, n)"""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second, and the milliseconds that half of them took at the most."""

    rate: float
    median: float


def instances(url: str, ids: list[str], method: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """GET or PATCH (one tag) of instances by turns."""
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder) / "ids", Path(folder) / "script.lua"
        listed.write_text("\n".join(ids) + "\n")
        body = CHANGE if method == "PATCH" else "nil"
        script.write_text(SCRIPT.format(ids=listed, key=KEY, method=method, body=body))
        return _wrk(url, seconds, connections, "-s", str(script))


def mixed(url: str, ids: list[str], doomed: list[str], order: str, *, seconds: float) -> Load:
    """70 % GET, 20 % PATCH, 5 % each create and delete; each of the `doomed` is deleted once."""
    with tempfile.TemporaryDirectory() as folder:
        listed, leaving, script = Path(folder) / "ids", Path(folder) / "doomed", Path(folder) / "script.lua"
        listed.write_text("\n".join(ids) + "\n")
        leaving.write_text("\n".join(doomed) + "\n")
        script.write_text(MIXED.format(ids=listed, doomed=leaving, key=KEY, order=order))
        return _wrk(url, seconds, CONNECTIONS, "-s", str(script))


def path(url: str, where: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """GET of one path."""
    return _wrk(url + where, seconds, connections, "-H", f"Authorization: APIKey {KEY}")


def _wrk(url: str, seconds: float, connections: int, *more: str) -> Load:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    command = [program, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *more, url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if refused := REFUSED.search(told):
        raise SystemExit(f"{refused[1]} requests were refused: {' '.join(command)}")
    rate, median = RATE.search(told), MEDIAN.search(told)
    if rate is None or median is None:
        raise SystemExit(f"wrk said nothing to be measured by:\n{told}")
    return Load(float(rate[1]), float(median[1]) * UNITS[median[2]])
