"""`pileus users`: create, list and delete users, set passwords."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from pileus.cli.main import pileus
from pileus.cli.temporary_server import run_temporary_server
from tests.cli.conftest import Run

EMAIL = "ann@example.com"
PASSWORD = "correct horse battery"


def run_with_input(*arguments: str, text: str) -> Result:
    """Run a command line with standard input."""
    return CliRunner().invoke(pileus, arguments, prog_name="pileus", input=text)


def create(data: Path, *arguments: str, text: str = f"{PASSWORD}\n") -> Result:
    return run_with_input("users", "create", EMAIL, "--password-stdin", "--data", str(data), *arguments, text=text)


def test_users_are_created_listed_and_deleted(run: Run, cloud_data: Path) -> None:
    data = ("--data", str(cloud_data))

    created = create(cloud_data, "--role", "Users")
    listed = json.loads(run("users", "list", "--output", "json", *data).stdout)
    table = run("users", "list", *data).stdout
    deleted = run("users", "delete", EMAIL.upper(), *data)
    left = json.loads(run("users", "list", "--output", "json", *data).stdout)

    assert created.stderr == f"User {EMAIL} (Users) of client 1 is created.\n"
    assert created.stdout == ""
    assert [(row["email"], row["role"], row["client_id"], row["can_log_in"]) for row in listed] == [
        ("admin@localhost.localdomain", "Administrators", 1, False),
        (EMAIL, "Users", 1, True),
    ]
    assert EMAIL in table
    assert PASSWORD not in table + json.dumps(listed)
    assert deleted.stdout == f"User {EMAIL} is deleted.\n"
    assert [row["email"] for row in left] == ["admin@localhost.localdomain"]


def test_a_user_of_a_new_tenant_gets_the_tenant(run: Run, cloud_data: Path) -> None:
    created = create(cloud_data, "--client", "77")
    listed = json.loads(run("users", "list", "--output", "json", "--data", str(cloud_data)).stdout)

    assert created.exit_code == 0
    assert [row["email"] for row in listed if row["client_id"] == 77] == ["client-77@localhost.localdomain", EMAIL]


def test_a_generated_password_is_the_only_output(run: Run, cloud_data: Path) -> None:
    created = run("users", "create", EMAIL, "--generate", "--data", str(cloud_data))
    changed = run("users", "set-password", EMAIL, "--generate", "--data", str(cloud_data))

    passwords = {created.stdout.strip(), changed.stdout.strip()}
    assert len(passwords) == 2
    assert all(len(password) == 24 for password in passwords)


@pytest.mark.parametrize(
    ("arguments", "text", "message"),
    [
        (["create", "ann", "--generate"], "", "Input should be an e-mail address."),
        (["create", EMAIL, "--password-stdin"], "short\n", "A password has 8 to 1000 characters."),
        (["set-password", EMAIL, "--generate"], "", f"User {EMAIL} could not be found"),
        (["delete", EMAIL], "", f"User {EMAIL} could not be found"),
        (["delete", "admin@localhost.localdomain"], "", "owns API keys and cannot be deleted."),
        (["create", EMAIL], "", "There is no terminal to ask for the password"),
        (["create", EMAIL, "--generate", "--password-stdin"], "", "Use either --generate or --password-stdin."),
    ],
)
def test_mistakes_are_errors_in_one_line(cloud_data: Path, arguments: list[str], text: str, message: str) -> None:
    refused = run_with_input("users", *arguments, "--data", str(cloud_data), text=text)

    assert refused.exit_code in (1, 2)
    assert message in refused.stderr
    assert refused.stderr.startswith("pileus: ")
    assert refused.stderr.count("\n") == 1


def test_a_terminal_is_asked_for_the_password_twice_without_echo(cloud_data: Path) -> None:
    terminal, inner = os.openpty()
    command = [sys.executable, "-m", "pileus", "users", "create", EMAIL, "--data", str(cloud_data)]
    # The first terminal that a process of a new session opens is the one that it can ask.
    process = subprocess.Popen(
        ["sh", "-c", f'exec {shlex.join(command)} < "$0" > "$0" 2>&1', os.ttyname(inner)], start_new_session=True
    )
    output = b""
    for prompt in (b"Password: ", b"Repeat for confirmation: "):
        while not output.endswith(prompt):
            output += os.read(terminal, 1000)
        os.write(terminal, f"{PASSWORD}\n".encode())
    while b"is created" not in output:
        output += os.read(terminal, 1000)

    assert process.wait(timeout=30) == 0
    assert PASSWORD.encode() not in output
    os.close(inner)
    os.close(terminal)


def test_an_address_is_taken_once(cloud_data: Path) -> None:
    create(cloud_data)

    refused = create(cloud_data, "--client", "2")

    assert (refused.exit_code, refused.stderr) == (1, f"pileus: User {EMAIL} already exists.\n")


def test_running_server_accepts_a_new_user_and_rejects_a_deleted_one_at_once(run: Run, tmp_path: Path) -> None:
    with run_temporary_server("--data", str(tmp_path)) as server:
        create(tmp_path)
        body = {"username": EMAIL, "password": PASSWORD}
        tokens = httpx.post(f"{server.url}/iam/auth/jwt/login", json=body).json()

        def status() -> int:
            headers = {"Authorization": f"Bearer {tokens['access']}"}
            return httpx.get(f"{server.url}/cloud/v1/projects", headers=headers).status_code

        status_before = status()
        run("users", "delete", EMAIL, "--data", str(tmp_path))

        assert (status_before, status()) == (200, 401)
        assert httpx.post(f"{server.url}/iam/auth/jwt/login", json=body).status_code == 400
