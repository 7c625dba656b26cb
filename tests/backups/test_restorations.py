"""Restorations: into either kind of database, of older versions, complete or not at all, and only if that is said."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pileus.backups.archives import BackupError
from pileus.backups.restorations import restore_backup
from pileus.initial_data import open_seeded_database
from pileus.server.startup import StartError, lock_data_directory
from pileus.settings import Settings
from pileus.store.database import DatabaseInUse
from pileus.store.schema import load_migrations
from pileus.store.secrets import SecretBox, generate_key
from pileus.store.sqlite import Sqlite
from tests.backups.archives import back_up, make_cloud, rewrite, rows_of, run_command
from tests.counted_tables import TABLES
from tests.file_modes import mode_of

OLD_VERSION = 13
"""A version of the schema with a table that later ones do not have."""


async def test_a_restored_database_has_the_same_rows(cloud: Settings, backup: Path, tmp_path: Path) -> None:
    restored = Settings(data=tmp_path / "restored")

    manifest, findings = await restore_backup(restored, backup, overwrite=False)
    again = tmp_path / "again.backup"
    await back_up(restored, again)

    assert rows_of(again) == rows_of(backup)
    assert len(rows_of(backup)["networks"]) > 3
    assert manifest.row_count == sum(map(len, rows_of(backup).values()))
    assert (restored.data / "secrets.key").read_bytes() == (cloud.data / "secrets.key").read_bytes()
    assert mode_of(restored.data / "secrets.key") == mode_of(restored.data / "pileus.db") == 0o600
    assert findings == []


async def test_a_backup_moves_a_cloud_to_postgresql_and_back(backup: Path, postgres: str, tmp_path: Path) -> None:
    moved = Settings(data=tmp_path / "moved", database=postgres)
    from_postgres, back = tmp_path / "postgres.backup", Settings(data=tmp_path / "back")

    await restore_backup(moved, backup, overwrite=True)
    written = await back_up(moved, from_postgres)
    await restore_backup(back, from_postgres, overwrite=False)
    async with open_seeded_database(moved) as prepared, prepared.db.scan() as tx:
        count = await tx.one("SELECT count(*) FROM networks WHERE id LIKE 'networks-%'")

    assert written.manifest.database == "postgresql"
    assert rows_of(from_postgres) == rows_of(backup)
    await back_up(back, tmp_path / "last.backup")
    assert rows_of(tmp_path / "last.backup") == rows_of(backup)
    assert count == (3,)


async def test_postgresql_is_not_restored_while_others_use_it(backup: Path, postgres: str, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "other", database=postgres)

    with psycopg.connect(postgres), pytest.raises(DatabaseInUse, match="1 other connections: stop all servers"):
        await restore_backup(settings, backup, overwrite=True)


async def test_a_cloud_is_replaced_only_if_that_is_said(cloud: Settings, backup: Path, tmp_path: Path) -> None:
    other = await make_cloud(tmp_path / "other")
    async with open_seeded_database(other) as prepared:
        mapper, make, _ = TABLES["networks"]
        await prepared.db.write(lambda tx: mapper.add(tx, make(1, "only-here")))
    (other.data / "secrets.key").write_bytes((cloud.data / "secrets.key").read_bytes())

    with pytest.raises(BackupError, match="has a cloud already: --overwrite replaces it"):
        await restore_backup(other, backup, overwrite=False)
    await back_up(other, tmp_path / "kept.backup", with_secrets_key=False)
    await restore_backup(other, backup, overwrite=True)
    await back_up(other, tmp_path / "replaced.backup")

    assert any("only-here" in row for row in rows_of(tmp_path / "kept.backup")["networks"])
    assert rows_of(tmp_path / "replaced.backup") == rows_of(backup)


async def test_a_restoration_that_fails_changes_nothing(cloud: Settings, backup: Path, tmp_path: Path) -> None:
    before, incomplete = rows_of(backup), tmp_path / "incomplete.backup"
    await rewrite(backup, incomplete, clients=[])

    with pytest.raises(BackupError, match="does not accept the rows of the backup"):
        await restore_backup(cloud, incomplete, overwrite=True)

    await back_up(cloud, tmp_path / "after.backup")
    assert rows_of(tmp_path / "after.backup") == before


async def test_a_restoration_into_postgresql_that_fails_changes_nothing(
    backup: Path, postgres: str, tmp_path: Path
) -> None:
    settings, incomplete = Settings(data=tmp_path / "other", database=postgres), tmp_path / "incomplete.backup"
    await restore_backup(settings, backup, overwrite=True)
    await rewrite(backup, incomplete, clients=[])

    with pytest.raises(BackupError, match="does not accept the rows of the backup"):
        await restore_backup(settings, incomplete, overwrite=True)

    await back_up(settings, tmp_path / "after.backup")
    assert rows_of(tmp_path / "after.backup") == rows_of(backup)


async def test_a_backup_of_an_older_version_is_restored_and_migrated(tmp_path: Path) -> None:
    old, restored = Settings(data=tmp_path / "old"), Settings(data=tmp_path / "restored")
    old.data.mkdir()
    await make_old_database(old.data / "pileus.db")

    written = await back_up(old, tmp_path / "old.backup")
    await restore_backup(restored, tmp_path / "old.backup", overwrite=False)
    await restore_backup(old, tmp_path / "old.backup", overwrite=True)

    assert written.manifest.schema_version == OLD_VERSION
    for settings in (restored, old):
        async with open_seeded_database(settings) as prepared, prepared.db.read() as tx:
            assert await tx.one("SELECT name FROM clients WHERE id = 7") == ("seven",)


async def make_old_database(file: Path) -> None:
    """Make a database as a program of an older version does."""
    db = Sqlite(file, SecretBox(file.with_name("secrets.key")))
    await db.migrate([migration for migration in load_migrations() if migration[0] <= OLD_VERSION])
    await db.write(lambda tx: tx.run("INSERT INTO clients (id, name, created_at) VALUES (7, 'seven', 0)"))
    await db.close()


async def test_the_key_of_secrets_must_be_there_unless_the_backup_has_it(cloud: Settings, tmp_path: Path) -> None:
    path, restored = tmp_path / "without.backup", Settings(data=tmp_path / "restored")
    await back_up(cloud, path, with_secrets_key=False)
    key = restored.data / "secrets.key"

    with pytest.raises(BackupError, match="The backup is without the key of its secrets: put your copy of it at"):
        await restore_backup(restored, path, overwrite=False)
    key.write_text(generate_key())
    with pytest.raises(BackupError, match="does not have the key of the backup"):
        await restore_backup(restored, path, overwrite=False)
    key.write_bytes((cloud.data / "secrets.key").read_bytes())
    await restore_backup(restored, path, overwrite=False)

    async with open_seeded_database(restored):
        pass


async def test_a_running_server_prevents_a_restoration(cloud: Settings, backup: Path) -> None:
    with lock_data_directory(cloud), pytest.raises(StartError, match="Another server"):
        await restore_backup(cloud, backup, overwrite=True)


async def test_wrong_counts_are_in_the_backup_and_are_shown(cloud: Settings, tmp_path: Path) -> None:
    path = tmp_path / "wrong.backup"
    with closing(sqlite3.connect(cloud.data / "pileus.db")) as connection:
        connection.execute("UPDATE resource_counts SET value = 99 WHERE name = 'network_count'")
        connection.commit()

    done = await asyncio.to_thread(run_command, "backup", str(path), "--data", str(cloud.data))
    checked = await asyncio.to_thread(run_command, "restore", str(path), "--dry-run")

    assert (done.returncode, checked.returncode, path.exists()) == (1, 1, True)
    for answer in (done, checked):
        assert re.search("network_count of tenant 1 in region 1 .*is 99, should be 3", answer.stdout)
        assert "The backup is complete, but the database has these errors." in answer.stderr


async def test_a_dry_run_changes_nothing(backup: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"

    done = await asyncio.to_thread(run_command, "restore", str(backup), "--dry-run", "--data", str(target))

    assert "Can be restored: " in done.stdout
    assert not target.exists()


async def test_the_command_says_to_keep_the_key_apart(cloud: Settings, tmp_path: Path) -> None:
    path = str(tmp_path / "x.backup")
    with_key = ("backup", path, "--data", str(cloud.data), "--with-secrets-key", "--overwrite")

    without = await asyncio.to_thread(run_command, "backup", path, "--data", str(cloud.data))
    done = await asyncio.to_thread(run_command, *with_key)

    key = cloud.data / "secrets.key"
    assert f"Keep a copy of {key} apart from it: the backup cannot be restored without this key." in without.stderr
    assert "Keep a copy" not in done.stderr
