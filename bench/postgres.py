"""GET and PATCH on PostgreSQL, against pgbench that sends the same statements to the same server.

A second comparison is with the statements that Pileus sends if it keeps no answers: they read the whole instance.
"""

import asyncio
import os
import re
import resource
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from bench.clouds import MICROSECONDS, Clouds, measure_cpu
from bench.load import CONNECTIONS, measure_instances, read_each_instance
from bench.population import FIRST_NUMBER, ID_PREFIX, correct_counts_of, create_template, fill, instance_id, quoted
from bench.postgres_wire import Recorder, Statement, record_statements
from bench.processes import parent_of, read_cpu_seconds_with_ended
from bench.results import Result, Skipped, at_least, format_number
from bench.servers import HEADERS, INSTANCE, Server, free_port, run_pileus

SERVER_VARIABLE = "PILEUS_TEST_POSTGRES"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
GOALS = {"GET": at_least(0.4), "PATCH": at_least(0.7)}
NO_SERVER = "no PostgreSQL server: run with scripts/with-postgres"
WARM_UP = 10
"""Requests after which the client has prepared its statements."""
ATTEMPTS = 50
PARAMETER = re.compile(r"\$(\d+)")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RATE = re.compile(r"tps = ([\d.]+)")
COUNT = re.compile(r"transactions actually processed: (\d+)")
PILEUS, PGBENCH, BELOW, BELOW_PGBENCH = "Pileus", "pgbench", "PostgreSQL", "PostgreSQL below pgbench"
PGBENCH_WHOLE = "pgbench that reads the whole instance"
KEEP_NOTHING = ("--instance-cache", "0")
# pgbench takes a colon before a letter or a digit for a variable, also inside a text.
COLON = re.compile(r":(?=\w)")


def measure_postgres(clouds: Clouds) -> Iterator[Result | Skipped]:
    """Measure requests per second against transactions per second of pgbench, in turns."""
    address, pgbench = os.environ.get(SERVER_VARIABLE, ""), _find_pgbench()
    if not address or not pgbench:
        reason = "pgbench is missing" if address else NO_SERVER
        yield from (Skipped(f"PostgreSQL, {method}", reason) for method in GOALS)
        return
    with _create_database(address) as url:
        data = _populate(clouds, url)
        options = [pgbench, "-n", "-M", "prepared", "-j1", f"-c{CONNECTIONS}", "-f"]
        commands = {
            method: {
                PGBENCH: [*options, _write_script(clouds, data, url, method), url],
                PGBENCH_WHOLE: [*options, _write_script(clouds, data, url, method, *KEEP_NOTHING), url],
            }
            for method in GOALS
        }
        with run_pileus(data, free_port(), "--database", url) as server:
            read_each_instance(server.url, clouds.ids)
            for method in GOALS:
                yield from _measure(clouds, server, method, commands[method], _find_server_process(url)).results()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pileus and pgbench, each with its rate per second and its CPU time per request, with that of PostgreSQL."""

    method: str
    rates: dict[str, list[float]]
    cpu: dict[str, list[float]]

    def results(self) -> Iterator[Result]:
        """Yield the ratios of the rates and of the CPU times."""
        yield self._compare_rates(PGBENCH)
        yield self._compare_rates(PGBENCH_WHOLE)
        medians = {part: Result(part, times).median for part, times in self.cpu.items()}
        ratios = [
            (self.cpu[PGBENCH][turn] + self.cpu[BELOW_PGBENCH][turn]) / (self.cpu[PILEUS][turn] + self.cpu[BELOW][turn])
            for turn in range(len(self.cpu[PILEUS]))
        ]
        ours, below, theirs, below_theirs = (
            format_number(medians[part]) for part in (PILEUS, BELOW, PGBENCH, BELOW_PGBENCH)
        )
        details = f"pgbench {theirs} + PostgreSQL {below_theirs} µs / Pileus {ours} + PostgreSQL {below} µs"
        yield Result(f"PostgreSQL, {self.method}: CPU, pgbench / Pileus", ratios, details=details)

    def _compare_rates(self, other: str) -> Result:
        ratios = [ours / theirs for ours, theirs in zip(self.rates[PILEUS], self.rates[other], strict=True)]
        ours, theirs = (format_number(Result(side, self.rates[side]).median) for side in (PILEUS, other))
        details = f"{ours} / {theirs} per second"
        return Result(f"PostgreSQL, {self.method}: Pileus / {other}", ratios, "", GOALS[self.method], details)


def _measure(clouds: Clouds, server: Server, method: str, commands: dict[str, list[str]], database: int) -> Comparison:
    """Measure in turns; `database` is the process of the PostgreSQL server."""
    seconds = max(1, round(clouds.sizes.seconds))
    comparison = Comparison(
        method,
        {PILEUS: [], PGBENCH: [], PGBENCH_WHOLE: []},
        {part: [] for part in (PILEUS, BELOW, PGBENCH, BELOW_PGBENCH)},
    )
    for _ in range(clouds.sizes.rounds):
        below = read_cpu_seconds_with_ended(database)
        used, load = measure_cpu(server, lambda: measure_instances(server.url, clouds.ids, method, seconds=seconds))
        below = read_cpu_seconds_with_ended(database) - below
        comparison.rates[PILEUS].append(load.rate)
        comparison.cpu[PILEUS].append(used)
        comparison.cpu[BELOW].append(MICROSECONDS * below / load.requests)
        below, client = read_cpu_seconds_with_ended(database), _children_cpu_seconds()
        rate, count = _run_pgbench([*commands[PGBENCH], f"-T{seconds}"])
        below, client = read_cpu_seconds_with_ended(database) - below, _children_cpu_seconds() - client
        comparison.rates[PGBENCH].append(rate)
        comparison.cpu[PGBENCH].append(MICROSECONDS * client / count)
        comparison.cpu[BELOW_PGBENCH].append(MICROSECONDS * below / count)
        comparison.rates[PGBENCH_WHOLE].append(_run_pgbench([*commands[PGBENCH_WHOLE], f"-T{seconds}"])[0])
    return comparison


def _run_pgbench(command: list[str]) -> tuple[float, int]:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, count = RATE.search(output), COUNT.search(output)
    if rate is None or count is None:
        raise SystemExit(f"pgbench printed no rate:\n{output}")
    return float(rate[1]), int(count[1])


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _find_pgbench() -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), key=lambda path: int(path.parts[4]))
    return str(versions[-1]) if versions else shutil.which("pgbench")


def _find_server_process(url: str) -> int:
    import psycopg  # noqa: PLC0415  # only this part needs it

    with psycopg.connect(url) as connection:
        return parent_of(connection.info.backend_pid)


@contextmanager
def _create_database(address: str) -> Iterator[str]:
    import psycopg  # noqa: PLC0415  # only this part needs it

    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _populate(clouds: Clouds, url: str) -> Path:
    import psycopg  # noqa: PLC0415  # only this part needs it

    data, count = clouds.folder / "postgres", clouds.sizes.instances
    with run_pileus(data, free_port(), "--database", url) as server:
        create_template(server)
    with psycopg.connect(url) as connection:
        # Tables are filled in any order: references are not checked meanwhile.
        connection.execute("SET session_replication_role = replica")
        fill(connection, TABLES, count)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    asyncio.run(correct_counts_of(url, data))
    return data


def _write_script(clouds: Clouds, data: Path, url: str, method: str, *options: str) -> str:
    """Write a script for pgbench with the statements of one request, for any instance, and return its path.

    The options are those of the server that sends these statements.
    """
    with (
        record_statements(url) as (recorder, recorded_url),
        run_pileus(data, free_port(), "--database", recorded_url, *options) as server,
    ):
        recordings = [_record(recorder, server, method) for _ in range(2)]
        for _ in range(ATTEMPTS):
            if [statement.sql for statement in recordings[0]] == [statement.sql for statement in recordings[1]]:
                break
            recordings = [recordings[1], _record(recorder, server, method)]
    script = clouds.folder / f"{method}{''.join(options)}.sql"
    script.write_text(make_script(recordings[0], recordings[1], clouds.sizes.instances))
    return str(script)


def _record(recorder: Recorder, server: Server, method: str) -> list[Statement]:
    """Return the statements of one request, without those of background jobs."""
    with httpx.Client(base_url=server.url, headers=HEADERS) as client:
        for number in range(WARM_UP):
            recorder.clear()
            body = {"tags": {"k": f"v{number}"}} if method == "PATCH" else None
            client.request(method, INSTANCE + instance_id(0), json=body).raise_for_status()
    return next(
        (
            list(connection.statements)
            for connection in recorder.clients
            if any(instance_id(0) in statement.values for statement in connection.statements)
        ),
        [],
    )


def make_script(first: Sequence[Statement], second: Sequence[Statement], count: int) -> str:
    """Return the statements as a script for pgbench; ids that differ in two recordings are new in each transaction."""
    lines = [f"\\set n random({FIRST_NUMBER}, {FIRST_NUMBER + count - 1})"]
    for statement, other in zip(first, second, strict=True):
        values = [
            _sql_of(value, differs=value != again) for value, again in zip(statement.values, other.values, strict=True)
        ]
        sql = PARAMETER.sub(lambda match, values=values: values[int(match[1]) - 1], statement.sql)  # type: ignore[misc]  # the default binds the loop's value
        lines.append(" ".join(sql.split()) + ";")
    return "\n".join(lines) + "\n"


def _sql_of(value: str | None, *, differs: bool) -> str:
    if value is None:
        return "NULL"
    if value == instance_id(0):
        return f"('{ID_PREFIX}0-' || :n)"
    if differs and UUID.fullmatch(value):
        return "gen_random_uuid()::text"
    return (
        "(" + " || ':' || ".join(quoted(part) for part in COLON.split(value)) + ")"
        if COLON.search(value)
        else quoted(value)
    )
