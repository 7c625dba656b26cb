"""Databases for tests: a file, or a fresh database of the PostgreSQL server that the test command has started."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from pileus.store.schema import migrations

SERVER = os.environ.get("PILEUS_TEST_POSTGRES", "")
BACKENDS = ("sqlite", "postgres")


@contextmanager
def database_url(backend: str) -> Iterator[str]:
    """The URL of an empty database, gone afterwards; skips the test where there is no PostgreSQL server."""
    if backend == "sqlite":
        yield ""
        return
    if not SERVER:
        pytest.skip("no PostgreSQL server: run `make test`, or set PILEUS_TEST_POSTGRES")
    name = f"pileus_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(SERVER)._replace(path=f"/{name}"))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def delete_all_rows(url: str) -> None:
    """Delete every row but those that tell the schema's version, and every table that is not the schema's."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        known = "".join(sql for _, _, sql in migrations())
        for (table,) in found:
            verb = "DELETE FROM" if f"CREATE TABLE {table} " in known else "DROP TABLE"
            if table != "schema_versions":
                connection.execute(f'{verb} "{table}"')
