"""The commands of the page for operators run, in the order in which they stand there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from pileus.initial_data import open_seeded_database
from pileus.settings import Settings
from tests.databases import SERVER
from tests.servers import run_server

PAGE = Path(__file__).resolve().parents[2] / "docs/operate.md"
DEPLOY = PAGE.parents[1] / "deploy"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (pileus .*)", re.MULTILINE)
ROLE = "pileus_operated"


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE.read_text("utf-8")) if kind == language]


def test_the_commands_run(tmp_path: Path) -> None:
    commands = [command for text in blocks("console") for command in COMMAND.findall(text)]
    data, backups = tmp_path / "data", tmp_path / "backups"
    backups.mkdir()
    with run_server(data):
        pass

    for command in commands:
        line = command.replace("/var/lib/pileus", str(data)).replace("/var/backups/pileus", str(backups))
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, (command, done.stderr)

    assert {command.split()[1] for command in commands} == {"backup", "restore", "db", "operators"}


async def test_the_statements_for_postgresql_make_a_database_for_the_server(tmp_path: Path) -> None:
    if not SERVER:
        pytest.skip("no PostgreSQL server: run `make test`, or set PILEUS_TEST_POSTGRES")
    (statements,) = blocks("sql")
    server = urlsplit(SERVER)
    place = server.netloc.rpartition("@")[2]
    url = urlunsplit(server._replace(netloc=f"{ROLE}:a-long-secret@{place}", path=f"/{ROLE}"))
    with psycopg.connect(SERVER, autocommit=True) as connection:
        try:
            for statement in statements.replace("pileus", ROLE).split(";\n")[:-1]:
                connection.execute(statement.encode())
            async with open_seeded_database(Settings(data=tmp_path, database=url)) as prepared:
                assert prepared.first_token
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{ROLE}" WITH (FORCE)')
            connection.execute(f'DROP ROLE IF EXISTS "{ROLE}"')


def test_the_page_names_every_file_of_the_folder() -> None:
    text = PAGE.read_text("utf-8")

    # The units of systemd are copied by their pattern.
    files = {entry.name for entry in DEPLOY.iterdir() if not entry.name.endswith((".service", ".timer"))}
    assert {name for name in files if name not in text} == set()


@pytest.mark.parametrize("line", [line for text in blocks("ini") for line in text.splitlines()])
def test_every_variable_is_that_of_a_setting(line: str) -> None:
    name = line.partition("=")[0]

    assert name.removeprefix("PILEUS_").lower() in Settings.__struct_fields__
