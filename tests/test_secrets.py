"""Secrets in the database are encrypted by keys in a file outside of it."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from pileus.domain.tasks import SECRET_ARGS
from pileus.store.secrets import KEY_FILE, generate_key
from pileus.tasks.operations import OPERATIONS
from tests.orders import an_order
from tests.servers import KEY, Server, free_port, run_server, start_server
from tests.subscribers import received_requests, subscriber_url
from tests.test_server import run_to_end, wait_until

PLACE = "1/1"
HEADER, BROKER, DOWNLOAD = "header-secret-4711", "broker-secret-4712", "url-token-4713"
PASSWORD, USER_DATA = "first-boot-secret-4714", "dXNlci1kYXRhLTQ3MTU="
SECRETS = (HEADER, BROKER, DOWNLOAD, PASSWORD, USER_DATA)
ARGUMENTS_WITHOUT_SECRETS = {
    "before", "created", "description", "floating_ips", "host", "kept_floating_ips", "name", "new", "old", "others",
    "ports", "flavor_name", "previous_status", "refusal", "tags", "vm_state", "volume_type", "volumes",
}  # fmt: skip
"""Arguments of tasks that contain text and are not named as ids. The others of this kind are secret."""
OPTIONS = ("--subscribers", "any")


def client_of(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=20)


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    response = client.post(path, json=body)
    assert response.is_success, response.text
    return response.json() if response.content else None


def subscribe(client: httpx.Client, path: str) -> None:
    post(
        client,
        "/cloud/v1/user_actions/subscribe",
        {"url": subscriber_url(path), "auth_header_name": "X-Secret", "auth_header_value": HEADER},
    )


def create_secrets(client: httpx.Client, path: str) -> list[str]:
    """Create a secret of each kind, and return the ids of the tasks that hold some of them."""
    subscribe(client, path)
    broker = f"amqp://events:{BROKER}@127.0.0.1:9/"
    post(client, "/cloud/v1/user_actions/subscribe_amqp", {"connection_string": broker})
    image = {"name": "private", "url": f"https://images.example.com/one.qcow2?token={DOWNLOAD}"}
    secret_orders = [
        an_order(name="password", password=PASSWORD, username="ann"),
        an_order(name="user-data", user_data=USER_DATA),
    ]
    bodies = [(f"/cloud/v1/downloadimage/{PLACE}", image)]
    bodies += [(f"/cloud/v2/instances/{PLACE}", order) for order in secret_orders]
    return [post(client, where, body)["tasks"][0] for where, body in bodies]


def wait_for_tasks(client: httpx.Client, task_ids: list[str]) -> None:
    for task_id in task_ids:
        wait_until(lambda task_id=task_id: client.get(f"/cloud/v1/tasks/{task_id}").json()["state"] == "FINISHED")  # type: ignore[misc]


def secrets_in_files(data: Path) -> set[str]:
    """Return the secrets that the files of a data directory contain."""
    content = b"".join(path.read_bytes() for path in data.iterdir() if path.is_file() and path.name != KEY_FILE)
    return {secret for secret in SECRETS if secret.encode() in content}


def rotate(data: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pileus", "secrets", "rotate", "--data", str(data), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_files_contain_no_secret_while_a_task_needs_it_nor_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        post(client, "/_pileus/faults", {"kind": "hold"})
        task_ids = create_secrets(client, "/files")
        during = secrets_in_files(data)
        client.delete("/_pileus/faults")
        wait_for_tasks(client, task_ids)
        after = secrets_in_files(data)
        wait_until(lambda: len(received_requests("/files")) >= len(task_ids))

    assert (during, after, secrets_in_files(data)) == (set(), set(), set())
    assert {request.headers["x-secret"] for request in received_requests("/files")} == {HEADER}


def test_an_ended_task_keeps_no_secret_even_encrypted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        wait_for_tasks(client, create_secrets(client, "/ended"))

    with closing(sqlite3.connect(data / "pileus.db")) as db:
        args = [text for (text,) in db.execute("SELECT args FROM tasks WHERE task_type = 'download_image'")]
        boots = {text for (text,) in db.execute("SELECT boot FROM instances")}
    assert [sorted(json.loads(text)) for text in args] == [["image_id", "volume_id"]]
    assert [set(json.loads(text).values()) for text in boots] == [{None}]


def test_secrets_of_earlier_versions_are_encrypted_and_their_remains_erased(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        post(client, "/_pileus/faults", {"kind": "hold"})
        task_ids = create_secrets(client, "/earlier")
    decrypt_database(data)
    assert secrets_in_files(data) == set(SECRETS)

    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        during = secrets_in_files(data)
        client.delete("/_pileus/faults")
        wait_for_tasks(client, task_ids)
        wait_until(lambda: len(received_requests("/earlier")) >= len(task_ids))

    assert (during, secrets_in_files(data)) == (set(), set())
    assert {request.headers["x-secret"] for request in received_requests("/earlier")} == {HEADER}


def decrypt_database(data: Path) -> None:
    """Turn the database into one of a version that did not encrypt, with an ended task that kept its secret."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    fernet = Fernet((data / KEY_FILE).read_bytes())
    (data / KEY_FILE).unlink()
    with closing(sqlite3.connect(data / "pileus.db")) as db, db:
        db.create_function("decrypted", 1, lambda text: fernet.decrypt(text.removeprefix("fernet:")).decode())
        for table, column in (("subscriptions", "target"), ("instances", "boot"), ("tasks", "args")):
            db.execute(f"UPDATE {table} SET {column} = decrypted({column}) WHERE {column} LIKE 'fernet:%'")
        db.execute("CREATE TEMP TABLE ended AS SELECT * FROM tasks WHERE task_type = 'download_image'")
        db.execute("UPDATE ended SET id = 'ended', state = 'FINISHED', finished_at = 1")
        db.execute("INSERT INTO tasks SELECT * FROM ended")
        db.execute("DELETE FROM secret_keys")


@pytest.fixture
def data_with_secrets(tmp_path: Path) -> Path:
    """The data directory of a server that has stopped, with a subscription."""
    data = tmp_path / "data"
    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        subscribe(client, "/stopped")
    return data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "secrets.key, cannot be read: No such file or directory: restore the file from a backup, or name"),
        (generate_key(), "secrets.key does not hold the key of the secrets in the database: restore the file"),
        ("too-short\n", "secrets.key: line 1 is no key: restore the file from a backup"),
        ("", "secrets.key has no key: restore"),
    ],
    ids=["no file", "another key", "no key of that form", "an empty file"],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_without_the_right_key_fails_and_creates_none(
    data_with_secrets: Path, content: str | None, message: str, workers: str
) -> None:
    file = data_with_secrets / KEY_FILE
    file.unlink()
    if content is not None:
        file.write_text(content)

    failed = run_to_end("--data", str(data_with_secrets), "--port", str(free_port()), "--workers", workers)

    assert message in failed.stderr
    assert (failed.returncode, failed.stderr.count("\n"), file.exists()) == (1, 1, content is not None)
    assert message in rotate(data_with_secrets)


def test_keys_rotate_while_a_server_runs_and_older_ones_can_be_removed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start_server(data, *OPTIONS)
    with client_of(server) as client:
        subscribe(client, "/before")
        first = rotate(data)
        subscribe(client, "/after")
        second = rotate(data, "--no-new-key")
        keys = (data / KEY_FILE).read_text().split()
        (data / KEY_FILE).write_text(f"{keys[0]}\n")
        create_network(client)
        wait_until(lambda: bool(received_requests("/before") and received_requests("/after")))
    server.stop()

    assert (first, second, len(keys)) == ("Encrypted by the newest key: 1.\n", "Encrypted by the newest key: 0.\n", 2)
    with run_server(data, *OPTIONS) as again, client_of(again) as client:
        assert client.get("/cloud/v1/user_actions/subscriptions_list").json()["count"] == 2


def create_network(client: httpx.Client) -> None:
    wait_for_tasks(client, [post(client, f"/cloud/v1/networks/{PLACE}", {"name": "net"})["tasks"][0]])


def test_a_secret_whose_key_is_gone_gives_an_error_and_no_server_error(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data, *OPTIONS) as server, client_of(server) as client:
        subscribe(client, "/gone")
        (data / KEY_FILE).write_text(f"{generate_key()}\n")
        answer = client.get("/cloud/v1/user_actions/subscriptions_list")
        message = rotate(data)

    assert (answer.status_code, answer.json()["exception_class"]) == (503, "ServiceUnavailable")
    assert "cannot be decrypted" in answer.json()["message"]
    assert "does not hold the key" in message


def test_the_keys_may_be_outside_of_the_data_directory(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with run_server(tmp_path / "data", "--secrets-key", str(file), *OPTIONS) as server, client_of(server) as client:
        subscribe(client, "/outside")

    assert not (tmp_path / "data" / KEY_FILE).exists()
    assert (len(file.read_text().split()), file.stat().st_mode & 0o777) == (1, 0o600)


def test_every_text_argument_of_a_task_is_declared_as_secret_or_as_no_secret() -> None:
    names = {
        field.encode_name
        for operation in OPERATIONS.values()
        for field in msgspec.structs.fields(operation.task_type.args)
        if ("str" in str(field.type) or "Any" in str(field.type)) and not field.encode_name.endswith(("_id", "_ids"))
    }

    assert names == SECRET_ARGS | ARGUMENTS_WITHOUT_SECRETS
