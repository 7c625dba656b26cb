"""Encrypted columns and their keys, on both databases."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.domain.account.subscriptions import QueueTarget, new_subscription
from pileus.domain.errors import Unavailable
from pileus.store.account import subscriptions
from pileus.store.database import Database, Row
from pileus.store.schema import open_database
from pileus.store.secret_keys import rotate_secrets
from pileus.store.secrets import KEY_FILE, PREFIX, SecretBox, SecretsKeyError, generate_key
from tests.databases import BACKENDS, database_url

BROKER = QueueTarget(connection_string="amqp://me:a-secret@broker.example.com/")


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database."""
    with database_url(request.param) as address:
        yield address


async def add_subscription(db: Database, number: int) -> None:
    await db.write(lambda tx: subscriptions.add(tx, new_subscription(number, 1, BROKER, 0)))


async def read_columns(db: Database) -> list[str]:
    async with db.read() as tx:
        rows: list[Row] = list(await tx.all("SELECT target FROM subscriptions ORDER BY id"))
    return [str(row[0]) for row in rows]


async def read_targets(db: Database) -> list[object]:
    async with db.scan() as tx:
        return [subscription.target for subscription in await subscriptions.list_all(tx, 1, "amqp")]


async def test_a_column_is_encrypted_and_reads_as_it_was_written(url: str, tmp_path: Path) -> None:
    db = await open_database(url, tmp_path)
    await add_subscription(db, 1)
    before = await read_columns(db)
    await db.write(lambda tx: tx.run("UPDATE subscriptions SET target = :text", text=plain_text()))
    plain = await read_targets(db)

    count = await rotate_secrets(db, add_key=False)

    assert (count, plain, await read_targets(db)) == (1, [BROKER], [BROKER])
    assert [text.startswith(PREFIX) and "a-secret" not in text for text in (*before, *await read_columns(db))] == [
        True
    ] * 2
    await db.close()


def plain_text() -> str:
    return '{"type":"amqp","connection_string":"amqp://me:a-secret@broker.example.com/"}'


async def test_rotation_encrypts_by_a_new_key_and_only_once(url: str, tmp_path: Path) -> None:
    db = await open_database(url, tmp_path)
    for number in range(1, 4):
        await add_subscription(db, number)

    counts = [await rotate_secrets(db, add_key=add_key) for add_key in (True, False)]
    keys = (tmp_path / KEY_FILE).read_text().split()
    (tmp_path / KEY_FILE).write_text(keys[0])

    assert (counts, len(keys), await read_targets(db)) == ([3, 0], 2, [BROKER] * 3)
    await db.close()
    await (await open_database(url, tmp_path)).close()


async def test_of_two_servers_that_start_first_with_keys_of_their_own_one_is_refused(
    postgres: str, tmp_path: Path
) -> None:
    first = await open_database(postgres, tmp_path / "first")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / KEY_FILE).write_text(generate_key())

    with pytest.raises(SecretsKeyError, match="does not hold the key"):
        await open_database(postgres, tmp_path / "second")

    await first.close()


async def test_a_missing_key_is_a_problem_of_the_request(url: str, tmp_path: Path) -> None:
    db = await open_database(url, tmp_path)
    await add_subscription(db, 1)
    (tmp_path / KEY_FILE).unlink()

    with pytest.raises(Unavailable, match="cannot be read"):
        await read_targets(db)
    with pytest.raises(Unavailable, match="cannot be read"):
        await add_subscription(db, 2)

    await db.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_rotated_file_keeps_its_owner(tmp_path: Path) -> None:
    box = SecretBox(tmp_path / KEY_FILE)
    box.create_file()
    os.chown(box.file, 65534, 65534)

    box.add_key()

    status = box.file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65534, 0o600)


@pytest.mark.parametrize("place", ["missing/keys", "file/keys"])
def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SecretsKeyError, match="cannot be written: "):
        SecretBox(tmp_path / place).create_file()
