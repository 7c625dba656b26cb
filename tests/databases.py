"""Databases for tests: a file, or a fresh database of the PostgreSQL server that the test command has started."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

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
