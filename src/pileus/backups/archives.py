"""The file of a backup: a ZIP archive with a member of JSON lines for each table, and a manifest.

The first line of a member names the columns, each further one is a row. The manifest stands last. It has the digest of
each member, so a file that is damaged or cut off is recognized.
"""

import hashlib
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec
from msgspec import Struct, field

from pileus.store.database import Row
from pileus.store.table_descriptions import TableDescription

FORMAT = 1
MANIFEST, SECRETS_KEY = "manifest.json", "secrets.key"
PAGE = 1000
"""Rows that a reader gets together."""
DAMAGES = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, OSError, RuntimeError,
    ValueError, msgspec.DecodeError,
)  # fmt: skip
"""What the libraries raise for a file that is damaged."""


class BackupError(Exception):
    """A backup cannot be made or used. The message is one line and says what to do."""


class StoredTable(Struct, frozen=True, kw_only=True):
    """What a backup has of a table."""

    rows: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup contains. `secrets_digest` is that of the key of its secrets; empty if there is none.

    `sha256_of_secrets_key` is empty if the key is not in the backup.
    """

    created_at: str
    program_version: str
    schema_version: int
    database: str
    secrets_digest: str = ""
    sha256_of_secrets_key: str = ""
    tables: dict[str, StoredTable] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def row_count(self) -> int:
        """The number of all rows."""
        return sum(table.rows for table in self.tables.values())


class Header(Struct, frozen=True):
    """What the manifest of every version has."""

    format: int


class ArchiveWriter:
    """Writes the members of a backup into a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    async def add_table(self, table: TableDescription, pages: AsyncIterator[Sequence[Row]]) -> StoredTable:
        """Add all rows of a table."""
        digest, count = hashlib.sha256(), 0
        with self._archive.open(_member_of(table.name), "w", force_zip64=True) as member:
            _write_lines(member, digest, [table.columns])
            async for rows in pages:
                count += len(rows)
                _write_lines(member, digest, rows)
        return StoredTable(rows=count, sha256=digest.hexdigest())

    def add_secrets_key(self, content: bytes) -> str:
        """Add the file of the keys of secrets, and return its digest."""
        self._archive.writestr(SECRETS_KEY, content)
        return hashlib.sha256(content).hexdigest()

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest and end the archive."""
        self._archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        self._archive.close()


class ArchiveReader:
    """Reads a backup. All methods raise BackupError if it is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except OSError as problem:
            raise BackupError(f"{path} cannot be read: {problem.strerror or problem}") from problem
        except DAMAGES as problem:
            raise BackupError(f"{path} is no backup, or not a whole one") from problem
        try:
            self.manifest = self._read_manifest()
        except BackupError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def check_tables(self, tables: Sequence[TableDescription]) -> None:
        """Check that the backup has these tables with these columns, and that no row differs from its digest."""
        if {table.name for table in tables} != self.manifest.tables.keys():
            raise BackupError(f"{self._path} does not have the tables of its version. Take another backup")
        for table in tables:
            columns, stored = self._read_table_digest(table.name)
            if stored != self.manifest.tables[table.name]:
                raise self._damaged(table.name)
            if columns != table.columns:
                raise BackupError(f"{self._path} does not have the columns of its version. Take another backup")

    def _read_table_digest(self, table: str) -> tuple[tuple[str, ...], StoredTable]:
        digest, count = hashlib.sha256(), 0
        with self._explain_damage(table), self._archive.open(_member_of(table)) as member:
            first = member.readline()
            digest.update(first)
            for line in member:
                digest.update(line)
                count += 1
            return msgspec.json.decode(first, type=tuple[str, ...]), StoredTable(rows=count, sha256=digest.hexdigest())

    def read_rows(self, table: str) -> Iterator[list[list[Any]]]:
        """Yield the rows of a table in pages."""
        with self._explain_damage(table), self._archive.open(_member_of(table)) as member:
            member.readline()
            while lines := list(islice(member, PAGE)):
                yield [msgspec.json.decode(line, type=list[Any]) for line in lines]

    def read_secrets_key(self) -> bytes | None:
        """Return the file of the keys of secrets, if the backup has it."""
        if not self.manifest.sha256_of_secrets_key:
            return None
        content = self._read(SECRETS_KEY)
        if hashlib.sha256(content).hexdigest() != self.manifest.sha256_of_secrets_key:
            raise self._damaged(SECRETS_KEY)
        return content

    def _read_manifest(self) -> Manifest:
        with self._explain_damage(MANIFEST):
            content = self._read(MANIFEST)
            header = msgspec.json.decode(content, type=Header)
        if header.format > FORMAT:
            raise BackupError(f"{self._path} was made by a newer version: upgrade Pileus")
        with self._explain_damage(MANIFEST):
            return msgspec.json.decode(content, type=Manifest)

    def _read(self, name: str) -> bytes:
        with self._explain_damage(name):
            return self._archive.read(name)

    @contextmanager
    def _explain_damage(self, name: str) -> Iterator[None]:
        try:
            yield
        except DAMAGES as problem:
            raise self._damaged(name) from problem

    def _damaged(self, name: str) -> BackupError:
        return BackupError(f"{self._path} is damaged in {name}. Take another backup")


def _member_of(table: str) -> str:
    return f"tables/{table}.jsonl"


def _write_lines(member: IO[bytes], digest: Any, rows: Sequence[Sequence[Any]]) -> None:
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    digest.update(lines)
    member.write(lines)
