"""`pileus sim`, against a real server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pileus.cli.temporary_server import Trial
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def nothing_left(sim: Run) -> Iterator[None]:
    """Each test starts without faults."""
    yield
    assert sim("release", "--all").exit_code == 0


def test_a_fault_is_made_listed_and_released(sim: Run) -> None:
    held = sim("hold", "start_vm")
    failing = sim("fail", "--message", "No [bold] host", "--always")
    listed = json.loads(sim("faults", "--output", "json").stdout)
    table = sim("faults").stdout
    released = sim("release", listed[0]["id"])
    left = json.loads(sim("faults", "--output", "json").stdout)

    assert held.stdout.startswith("Holding tasks of type start_vm. To let go: pileus sim release ")
    assert failing.stdout.startswith("Failing tasks of any type, every time.")
    assert [(one["kind"], one["task_type"], one["times"]) for one in listed] == [
        ("hold", "start_vm", None),
        ("fail", None, None),
    ]
    assert "No [bold] host" in table
    assert released.exit_code == 0
    assert [one["kind"] for one in left] == ["fail"]


def test_a_failure_strikes_once_unless_told_otherwise(sim: Run) -> None:
    once, twice = sim("fail", "stop_vm", "--step", "power off"), sim("fail", "stop_vm", "--times", "2")

    assert once.stdout.startswith("Failing tasks of type stop_vm at step 'power off', 1 time.")
    assert twice.stdout.startswith("Failing tasks of type stop_vm, 2 times.")
    assert [one["times"] for one in json.loads(sim("faults", "-o", "json").stdout)] == [1, 2]


def test_releasing_all_leaves_none(sim: Run) -> None:
    sim("hold")

    assert sim("release", "--all").stdout == "Released all.\n"
    assert sim("faults").stdout == "Nothing is held, and nothing fails.\n"


def test_room_is_limited_listed_and_unlimited(sim: Run) -> None:
    limited = sim("capacity", "g1-standard-1-2", "0")
    listed = json.loads(sim("capacity", "--output", "json").stdout)
    unlimited = sim("capacity", "g1-standard-1-2", "unlimited")

    assert limited.stdout == "Region 1 has room for 0 of g1-standard-1-2.\n"
    assert listed == [{"region_id": 1, "flavor_id": "g1-standard-1-2", "servers": 0}]
    assert unlimited.exit_code == 0
    assert sim("capacity").stdout == "Nothing is limited.\n"


def test_an_address_is_blackholed_and_freed(sim: Run) -> None:
    made = sim("blackhole", "192.0.2.7")
    removed = sim("blackhole", "--remove", made.stdout.split()[-1])

    assert made.stdout.startswith("192.0.2.7 is blackholed.")
    assert removed.exit_code == 0


def test_time_and_operations(sim: Run) -> None:
    assert sim("time", "realistic").stdout == "Time is realistic.\n"
    assert sim("time", "instant").stdout == "Time is instant.\n"
    assert "start_vm" in [one["task_type"] for one in json.loads(sim("operations", "-o", "json").stdout)]
    assert "start_vm" in sim("operations").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["state", "no-such", "error"], "Instance no-such could not be found"),
        (["state", "no-such", "dreaming"], "Instance no-such could not be found"),
        (["isolate", "no-such"], "Instance no-such could not be found"),
        (["isolate", "../faults?"], "could not be found"),
        (["fail", "no_such"], "Unknown task type: use one of "),
        (["release", "no-such"], "Fault no-such could not be found"),
        (["blackhole", "--remove", "4711"], "Blackhole 4711 could not be found"),
    ],
)
def test_what_the_server_refuses_is_told_in_a_line(sim: Run, arguments: list[str], told: str) -> None:
    refused = sim(*arguments)

    assert refused.exit_code == 1
    assert told in refused.stderr
    assert refused.stderr.startswith("pileus: http://127.0.0.1:")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["release"], "name a fault (`pileus sim faults` lists them), or --all"),
        (["capacity", "g1-standard-1-2"], "say how many servers: a number, or unlimited"),
        (["capacity", "g1-standard-1-2", "-1"], "No such option"),
        (["capacity", "g1-standard-1-2", "few"], "say how many servers: a number, or unlimited"),
        (["blackhole"], "name an address, or --remove ID"),
        (
            ["faults", "--url", "127.0.0.1:8080"],
            "127.0.0.1:8080 is not an address; one looks like http://127.0.0.1:8080",
        ),
    ],
)
def test_a_mistake_on_the_line_is_told_before_anything_is_asked(sim: Run, arguments: list[str], told: str) -> None:
    refused = sim(*arguments)

    assert refused.exit_code == 2
    assert told in refused.stderr


def test_no_key_and_a_wrong_key_are_told_with_what_to_do(run: Run, sim: Run, lent: Trial) -> None:
    without = run("sim", "faults", "--key", "")
    wrong = sim("faults", "--key", "1_wrong-secret")

    assert (
        without.stderr == "pileus: no API key: set GCORE_API_KEY as `pileus serve` prints it, or give one with --key\n"
    )
    assert wrong.stderr.startswith(f"pileus: {lent.url}: the key is not accepted: take the one that `pileus serve`")


def test_a_server_that_is_not_there_is_told_with_what_to_do(run: Run) -> None:
    refused = run("sim", "faults", "--key", "1_any-secret", "--url", "http://127.0.0.1:1/")

    assert refused.exit_code == 1
    assert (
        refused.stderr
        == "pileus: nothing answers at http://127.0.0.1:1: start it with `pileus serve`, or name another by --url\n"
    )


@pytest.fixture(params=[404, 403, 500])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """Some other web server, which answers everything with one status and a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever).start()
        yield request.param, f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


def test_a_server_without_the_control_endpoint_is_told_as_such(run: Run, elsewhere: tuple[int, str]) -> None:
    status, url = elsewhere
    told = {
        403: "this key may not do that: use an administrator's",
        404: "the control endpoint is off: it is there only where the simulated driver runs",
        500: "answered 500 Internal Server Error; is this a Pileus server?",
    }

    refused = run("sim", "faults", "--key", "1_any-secret", "--url", url)

    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"pileus: {url}: {told[status]}")
