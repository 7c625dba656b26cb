"""`pileus sim`, against a real server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def release_all_faults(sim: Run) -> Iterator[None]:
    """Each test starts without faults."""
    yield
    assert sim("release", "--all").exit_code == 0


def test_fault_is_created_listed_and_released(sim: Run) -> None:
    holding = sim("hold", "start_vm")
    failing = sim("fail", "--message", "No [bold] host", "--always")
    listed = json.loads(sim("faults", "--output", "json").stdout)
    table = sim("faults").stdout
    released = sim("release", listed[0]["id"])
    remaining = json.loads(sim("faults", "--output", "json").stdout)

    assert holding.stdout.startswith("Holding tasks of type start_vm. To let go: pileus sim release ")
    assert failing.stdout.startswith("Failing tasks of any type, every time.")
    assert [(fault["kind"], fault["task_type"], fault["times"]) for fault in listed] == [
        ("hold", "start_vm", None),
        ("fail", None, None),
    ]
    assert "No [bold] host" in table
    assert released.exit_code == 0
    assert [fault["kind"] for fault in remaining] == ["fail"]


def test_the_cloud_a_tenant_or_a_project_is_reset(sim: Run) -> None:
    sim("hold", "start_vm")

    unconfirmed = sim("reset")
    project = sim("reset", "--project", "1")
    before = json.loads(sim("faults", "--output", "json").stdout)
    missing = sim("reset", "--client", "99")
    tenant = sim("reset", "--client", "1")
    after = json.loads(sim("faults", "--output", "json").stdout)

    assert (unconfirmed.exit_code, "--yes" in unconfirmed.output) == (2, True)
    assert (project.stdout, tenant.stdout) == ("Project 1 is reset.\n", "Tenant 1 is reset.\n")
    assert (missing.exit_code, "99" in missing.output) == (1, True)
    assert (len(before), after) == (1, [])


def test_failure_applies_once_by_default(sim: Run) -> None:
    once, twice = sim("fail", "stop_vm", "--step", "power off"), sim("fail", "stop_vm", "--times", "2")

    assert once.stdout.startswith("Failing tasks of type stop_vm at step 'power off', 1 time.")
    assert twice.stdout.startswith("Failing tasks of type stop_vm, 2 times.")
    assert [fault["times"] for fault in json.loads(sim("faults", "-o", "json").stdout)] == [1, 2]


def test_release_all_removes_all_faults(sim: Run) -> None:
    sim("hold")

    assert sim("release", "--all").stdout == "Released all.\n"
    assert sim("faults").stderr == "Nothing is held, and nothing fails.\n"


def test_capacity_is_limited_listed_and_unlimited(sim: Run) -> None:
    limited = sim("capacity", "g1-standard-1-2", "0")
    listed = json.loads(sim("capacity", "--output", "json").stdout)
    unlimited = sim("capacity", "g1-standard-1-2", "unlimited")

    assert limited.stdout == "Region 1 has capacity for 0 of g1-standard-1-2.\n"
    assert listed == [{"client_id": 1, "region_id": 1, "flavor_id": "g1-standard-1-2", "servers": 0}]
    assert unlimited.exit_code == 0
    assert sim("capacity").stderr == "Nothing is limited.\n"


def test_blackhole_is_added_and_removed(sim: Run) -> None:
    created = sim("blackhole", "192.0.2.7")
    removed = sim("blackhole", "--remove", created.stdout.split()[-1])

    assert created.stdout.startswith("192.0.2.7 is blackholed.")
    assert removed.exit_code == 0


def test_state_and_isolation_take_the_names_of_instances_and_bare_metal_servers(sim: Run, run: Run) -> None:
    flavors = {"instances": "g1-standard-1-2", "baremetal": "bm1-infrastructure-small"}
    volume = "source=image,image_id=ubuntu-22.04-x64,size=10,boot_index=0,delete_on_termination=true"
    images = {
        "instances": ("--volumes", volume),
        "baremetal": ("--image-id", "ubuntu-22.04-x64-ironic", "--password", "a-Password-1"),
    }
    for kind, flavor in flavors.items():
        order = ("--name", f"named-{kind}", "--flavor", flavor, "--interfaces", "type=external", *images[kind])
        assert run(kind, "create", *order).exit_code == 0

        state = sim("state", f"named-{kind}", "error")
        isolated = sim("isolate", f"named-{kind}", "--reason", "abuse")
        view = json.loads(run(kind, "show", f"named-{kind}", "-o", "json").stdout)
        assert run(kind, "delete", f"named-{kind}").exit_code == 0

        assert (state.stdout, isolated.exit_code) == (f"Instance named-{kind} is ERROR.\n", 0)
        assert (view["status"], view["instance_isolation"]) == ("ERROR", {"reason": "abuse"})


@pytest.mark.parametrize(
    "arguments", [["state", "no-such", "error"], ["isolate", "no-such"], ["isolate", "../faults?"]]
)
def test_an_instance_that_does_not_exist_is_a_mistake(sim: Run, arguments: list[str]) -> None:
    refused = sim(*arguments)

    assert (refused.exit_code, refused.stderr) == (
        2, f"pileus: nothing is called {arguments[1]}: `pileus instances list` shows what there is.\n"
    )  # fmt: skip


def test_time_and_operations(sim: Run) -> None:
    assert sim("time", "realistic").stdout == "Time is realistic.\n"
    assert sim("time", "instant").stdout == "Time is instant.\n"
    assert "start_vm" in [fault["task_type"] for fault in json.loads(sim("operations", "-o", "json").stdout)]
    assert "start_vm" in sim("operations").stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["state", MISSING, "error"], f"Instance {MISSING} could not be found"),
        (["state", MISSING, "dreaming"], f"Instance {MISSING} could not be found"),
        (["isolate", MISSING], f"Instance {MISSING} could not be found"),
        (["blackhole", "foo"], "destination_ip: "),
        (["blackhole", ""], "destination_ip: "),
        (["fail", "create_vms"], "There is no task type create_vms: did you mean create_vm "),
        (["fail", "no_such"], "There is no task type no_such: GET /_pileus/operations lists them"),
        (["fail", "create_vm", "--step", "spwan"], "There is no step spwan: did you mean spawn?"),
        (["fail", "create_vm", "--step", "x"], "There is no step x: use one of "),
        (["release", "no-such"], "Fault no-such could not be found"),
        (["blackhole", "--remove", "4711"], "Blackhole 4711 could not be found"),
    ],
)
def test_server_error_is_printed_in_one_line(sim: Run, arguments: list[str], expected: str) -> None:
    refused = sim(*arguments)

    assert refused.exit_code == 1
    assert expected in refused.stderr
    assert refused.stderr.startswith("pileus: http://127.0.0.1:")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["release"], "name a fault (`pileus sim faults` lists them), or --all"),
        (["capacity", "g1-standard-1-2"], "say how many servers: a number, or unlimited"),
        (["capacity", "g1-standard-1-2", "-1"], "There is no option"),
        (["capacity", "g1-standard-1-2", "few"], "say how many servers: a number, or unlimited"),
        (["blackhole"], "name an address, or --remove ID"),
        (
            ["faults", "--url", "127.0.0.1:8080"],
            "127.0.0.1:8080 is not an address; one looks like http://127.0.0.1:8080",
        ),
    ],
)
def test_invalid_command_line_sends_no_request(sim: Run, arguments: list[str], expected: str) -> None:
    refused = sim(*arguments)

    assert refused.exit_code == 2
    assert expected in refused.stderr


def test_missing_and_wrong_key_are_reported_with_the_next_step(run: Run, sim: Run, server: TemporaryServer) -> None:
    without = run("sim", "faults", "--key", "")
    wrong = sim("faults", "--key", "1_wrong-secret")

    assert without.stderr == (
        "pileus: no API key: set GCORE_API_KEY as `pileus serve` prints it, or give one with --key;"
        f" the server is {server.url} (GCORE_BASE_URL)\n"
    )
    assert wrong.stderr.startswith(f"pileus: {server.url}: the key is not accepted: take the one that `pileus serve`")


def test_a_key_without_the_necessary_role_is_reported_with_the_next_step(sim: Run, server: TemporaryServer) -> None:
    headers, body = {"Authorization": f"APIKey {server.key}"}, {"name": "reader", "role": "Users"}
    answer = httpx.post(f"{server.url}/_pileus/tenants/1/keys", json=body, headers=headers)

    refused = sim("faults", "--key", answer.json()["token"])

    assert (refused.exit_code, "this key may not do that: use an administrator's" in refused.stderr) == (1, True)


def test_unreachable_server_is_reported_with_the_next_step(run: Run) -> None:
    refused = run("sim", "faults", "--key", "1_any-secret", "--url", "http://127.0.0.1:1/")

    assert refused.exit_code == 1
    assert refused.stderr == (
        "pileus: nothing answers at http://127.0.0.1:1 (--url): [Errno 111] Connection refused;"
        " start it with `pileus serve`, or name another by --url or --context\n"
    )


@pytest.fixture(params=[404, 403, 500])
def other_server(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """Another web server, which answers every request with one status and a page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as http_server:
        threading.Thread(target=http_server.serve_forever).start()
        yield request.param, f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


def test_server_without_control_endpoint_is_reported(run: Run, other_server: tuple[int, str]) -> None:
    status, url = other_server
    expected = {
        403: "answered 403 Forbidden; is this a Pileus server?",
        404: "the control endpoint is off: it is there only where the simulated driver runs",
        500: "answered 500 Internal Server Error; is this a Pileus server?",
    }

    refused = run("sim", "faults", "--key", "1_any-secret", "--url", url)

    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"pileus: {url}: {expected[status]}")


def test_the_clock_is_frozen_advanced_and_reset(sim: Run) -> None:
    try:
        lines = [
            sim("clock", *arguments).stdout
            for arguments in (
                ["freeze", "2030-01-01"],
                ["advance", "1d12h"],
                ["show"],
                [],
                ["set", "2040-02-29T12:00:00Z"],
            )
        ]
        resumed = sim("clock", "resume").stdout
    finally:
        reset = sim("clock", "reset").stdout

    advanced = "2030-01-02T12:00:00.000000Z (frozen)\n"
    assert lines == [
        "2030-01-01T00:00:00.000000Z (frozen)\n",
        *[advanced] * 3,
        "2040-02-29T12:00:00.000000Z (frozen)\n",
    ]
    assert resumed.startswith("2040-02-29T12:00:0")
    assert resumed.endswith(" s from the real time)\n")
    assert (reset.count("Z"), reset.count("(")) == (1, 0)


@pytest.mark.parametrize("duration", ["3", "d", "3 fortnights", "-1d", ""])
def test_a_duration_without_known_units_is_explained(sim: Run, duration: str) -> None:
    refused = sim("clock", "advance", "--", duration)

    assert refused.exit_code == 2
    assert "such as 3d or 1h30m" in refused.stderr


def test_a_wrong_time_is_printed_in_one_line(sim: Run) -> None:
    refused = sim("clock", "set", "noon")

    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "valid datetime" in refused.stderr
