"""The benchmarks measure what they say, here on small clouds for short times."""

import os
import shutil
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import httpx
import pytest
from bench.__main__ import PARTS, measure
from bench.clouds import Clouds, Sizes
from bench.large import measure_large
from bench.load import measure_mixture
from bench.population import instance_id
from bench.postgres import NO_SERVER, make_script
from bench.postgres_wire import ClientMessages, Statement
from bench.results import Result, Skipped, at_least, at_most, make_table
from bench.servers import INSTANCE, INSTANCES, make_bare, make_floor

from pileus.drivers.qemu.haproxy.programs import HaproxyPrograms
from tests.databases import SERVER
from tests.requirements import must_run_real_machines

SMALL = Sizes(
    rounds=1,
    seconds=1,
    instances=40,
    deletable=1_500,
    few=4,
    reset=4,
    many=1_600,
    created=4,
    balancers=3,
    consoles=5,
    console_seconds=1,
    starts=1,
    idle_seconds=1,
)
ORDER = {
    "flavor": "g1-standard-1-2",
    "interfaces": [{"type": "external"}],
    "volumes": [{"source": "new-volume", "size": 1}],
}


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Clouds:
    """Small clouds, which all parts share."""
    if not shutil.which("wrk"):
        pytest.skip("wrk is missing")
    return Clouds(tmp_path_factory.mktemp("clouds"), SMALL)


async def test_the_floor_answers_canned_bytes_after_it_has_read_the_request() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_floor(b'"canned"')), base_url="http://x") as client:  # type: ignore[arg-type]  # two types of ASGI
        answers = [
            await client.get(f"{INSTANCE}{instance_id(0)}"),
            await client.patch(f"{INSTANCE}{instance_id(0)}", json={"tags": {"key": "value"}}),
        ]
        invalid = await client.patch(f"{INSTANCE}{instance_id(0)}", json={"tags": "value"})
        tasks = [await client.post(INSTANCES, json=ORDER), await client.delete(f"{INSTANCE}{instance_id(0)}")]

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b'"canned"')] * 2
    assert invalid.status_code >= 400
    assert [list(answer.json()) for answer in tasks] == [["tasks"]] * 2


async def test_the_bare_application_answers_every_path_with_canned_bytes() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_bare(b"canned")), base_url="http://x") as client:  # type: ignore[arg-type]  # two types of ASGI
        assert (await client.get("/any")).content == b"canned"


class Anything(BaseHTTPRequestHandler):
    """Answers every request with 200, and counts the deletions of each path."""

    protocol_version = "HTTP/1.1"
    deletions: ClassVar[Counter[str]] = Counter()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.deletions[self.path] += self.command == "DELETE"
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815  # the names that the library wants

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is missing")
def test_a_mixture_deletes_each_instance_once_and_says_when_there_are_no_more() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Anything) as server:
        Thread(target=server.serve_forever).start()
        with pytest.raises(SystemExit, match="All instances to delete were deleted"):
            measure_mixture(f"http://127.0.0.1:{server.server_port}", ["1"], ["2", "3"], "{}", seconds=1)
        server.shutdown()

    assert +Anything.deletions == Counter({"/cloud/v1/instances/1/1/2": 1, "/cloud/v1/instances/1/1/3": 1})


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"postgres", "console"}))
def test_each_part_measures_every_round(clouds: Clouds, part: str) -> None:
    results = measure(clouds, [part])
    skipped = [result.reason for result in results if isinstance(result, Skipped)]
    can_balance = must_run_real_machines() or (
        shutil.which("qemu-system-x86_64") and not HaproxyPrograms(is_root=os.geteuid() == 0).find_obstacle()
    )

    assert results
    assert not skipped or (part == "load-balancers" and not can_balance)
    for result in results:
        if isinstance(result, Skipped):
            continue
        assert all(value >= 0 for value in result.rounds)
        assert result.rounds


def test_the_console_is_measured_by_a_browser_and_by_open_consoles(clouds: Clouds) -> None:
    first, idle, changing = measure(clouds, ["console"])

    assert isinstance(first, Result if shutil.which("chromium") and shutil.which("npm") else Skipped)
    for result in (idle, changing):
        assert isinstance(result, Result)
        assert result.name.startswith("5 open consoles")


def test_postgres_is_measured_or_skipped_with_a_reason(clouds: Clouds) -> None:
    results = measure(clouds, ["postgres"])

    if SERVER:
        assert [type(result) for result in results] == [Result] * 6
    else:
        assert [result.reason for result in results if isinstance(result, Skipped)] == [NO_SERVER] * 2


def test_a_large_cloud_is_measured_against_a_small_one(clouds: Clouds) -> None:
    names = [result.name for result in measure_large(clouds, 20, 1_000, 1)]

    assert names[0] == "GET: 1,000 / 20 instances"
    assert "first page of 10, 1,000 instances" in names


def test_missed_goals_are_marked() -> None:
    missed, met = Result("a", [1.3, 1.1], goal=at_most(1.1)), Result("b", [0.5], goal=at_least(0.5))
    table = make_table([missed, met, Skipped("c", "no server")])

    assert list(table.columns[4].cells) == ["MISSED", "met", "not measured"]


def test_a_script_for_pgbench_takes_any_instance_and_new_ids() -> None:
    sql, name = "INSERT INTO a VALUES ($1, $2, $3, $4)", "it's 10:30"
    ids = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(2)]
    recordings = [[Statement(sql, (instance_id(0), fresh, name, None))] for fresh in ids]

    choice, insert = make_script(recordings[0], recordings[1], 20).splitlines()

    assert choice == "\\set n random(100000000000, 100000000019)"
    assert insert == (
        "INSERT INTO a VALUES (('00000000-0000-4000-8000-' || :n), gen_random_uuid()::text,"
        " ('it''s 10' || ':' || '30'), NULL);"
    )


def test_messages_of_a_client_are_read_in_any_pieces() -> None:
    client = ClientMessages()
    start = b"\0\0\0\x08\x04\xd2\x16\x2f" + b"\0\0\0\x09\0\3\0\0\0"
    parse = b"P\0\0\0\x12s\0SELECT $1\0\0\0"
    bind = b"B\0\0\0\x15\0s\0\0\1\0\1\0\1\0\0\0\2\xff\xfe\0\0"
    for byte in start + parse + bind + b"Q\0\0\0\x0aBEGIN\0":
        client.on_request(bytes([byte]))
    client.on_answer()
    client.on_request(b"Q\0\0\0\x0b")
    client.on_request(b"COMMIT\0")

    assert client.statements == [Statement("SELECT $1", ("-2",)), Statement("BEGIN"), Statement("COMMIT")]
    assert client.round_trips == 2
