"""Databases for tests: an SQLite file, or a new database of the PostgreSQL server of the test command."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from pileus.store.schema import load_migrations

SERVER = os.environ.get("PILEUS_TEST_POSTGRES", "")
BACKENDS = ("sqlite", "postgres")


@contextmanager
def database_url(backend: str) -> Iterator[str]:
    """Create an empty database; yields its URL. Skips the test if there is no PostgreSQL server."""
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
    """Delete all rows except the schema version, and all tables that are not part of the schema."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        schema = "".join(work for _, _, work in load_migrations() if isinstance(work, str))
        for (table,) in tables:
            verb = "DELETE FROM" if f"CREATE TABLE {table} " in schema else "DROP TABLE"
            if table != "schema_versions":
                connection.execute(f'{verb} "{table}"')
