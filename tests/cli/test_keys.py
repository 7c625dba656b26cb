"""`pileus keys`: create, list and revoke keys in the database of a running server."""

import json
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from pileus.cli import tables
from pileus.cli.keys import key_state
from pileus.cli.temporary_server import run_temporary_server
from tests.cli.conftest import Run


def test_key_is_created_listed_without_its_secret_and_revoked(run: Run, cloud_data: Path) -> None:
    data_option = ("--data", str(cloud_data))

    created = run("keys", "create", "pipeline", "--role", "Engineers", "--expires", "30", *data_option)
    token = created.stdout.strip()
    listed = json.loads(run("keys", "list", "-o", "json", *data_option).stdout)
    table = run("keys", "list", *data_option).stdout
    number = token.partition("_")[0]
    revoked = run("keys", "revoke", number, *data_option)
    listed_after = json.loads(run("keys", "list", "--output", "json", *data_option).stdout)

    assert created.stderr == "Key pipeline (Engineers) is created. Save its token: it cannot be shown again.\n"
    row = next(key for key in listed if key["id"] == int(number))
    assert (row["name"], row["role"], row["revoked_at"]) == ("pipeline", "Engineers", None)
    assert row["expires_at"] > row["created_at"]
    assert "pipeline" in table
    assert token.partition("_")[2] not in table + json.dumps(listed)
    assert revoked.stdout == f"Key {number} is revoked.\n"
    assert next(key for key in listed_after if key["id"] == int(number))["revoked_at"].endswith("Z")


def test_a_narrow_table_shows_which_keys_are_in_force(
    run: Run, cloud_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_console", lambda: Console(highlight=False, width=80, no_color=True))
    data_option = ("--data", str(cloud_data))
    for kind in ("keys", "operators"):
        number = run(kind, "create", f"gone-{kind}", *data_option).stdout.partition("_")[0]
        assert run(kind, "revoke" if kind == "keys" else "delete", number, *data_option).exit_code == 0

        lines = [line.split() for line in run(kind, "list", "-o", "table", *data_option).stdout.splitlines()]

        heading = next(index for index, line in enumerate(lines) if "STATE" in line)
        place = lines[heading].index("STATE")
        states = {line[1]: line[place] for line in lines[heading + 1 :]}
        assert (states["administrator"], states[f"gone-{kind}"]) == ("active", "revoked")


@pytest.mark.parametrize(
    ("revoked_at", "expires_at", "state"),
    [
        (None, None, "active"), (None, 11, "active"), (None, 10, "expired"), (None, 9, "expired"),
        (9, None, "revoked"), (9, 8, "revoked"),
    ],
)  # fmt: skip
def test_a_key_is_in_force_until_it_expires_or_is_revoked(
    revoked_at: int | None, expires_at: int | None, state: str
) -> None:
    assert key_state({"revoked_at": revoked_at, "expires_at": expires_at}, 10) == state


def test_key_is_printed_as_json(run: Run, cloud_data: Path) -> None:
    created = run("keys", "create", "reader", "--role", "Users", "--output", "json", "--data", str(cloud_data))

    row = json.loads(created.stdout)[0]
    assert (row["name"], row["role"]) == ("reader", "Users")
    assert "_" in row["token"]


def test_revoking_an_unknown_key_is_an_error(run: Run, cloud_data: Path) -> None:
    refused = run("keys", "revoke", "4711", "--data", str(cloud_data))

    assert refused.exit_code == 1
    assert refused.stderr == "pileus: There is no key 4711. `pileus keys list` shows those there are.\n"


def test_running_server_accepts_a_new_key_and_rejects_a_revoked_one_at_once(run: Run, tmp_path: Path) -> None:
    with run_temporary_server("--data", str(tmp_path)) as server:
        token = run("keys", "create", "late", "--data", str(tmp_path)).stdout.strip()

        def status() -> int:
            return httpx.get(
                f"{server.url}/cloud/v1/projects", headers={"Authorization": f"APIKey {token}"}
            ).status_code

        status_before = status()
        run("keys", "revoke", token.partition("_")[0], "--data", str(tmp_path))

        assert (status_before, status()) == (200, 401)


def test_rotated_key_has_a_new_token_and_keeps_its_number(run: Run, cloud_data: Path) -> None:
    token = run("keys", "create", "late", "--data", str(cloud_data)).stdout.strip()
    number = token.partition("_")[0]

    rotated = run("keys", "rotate", number, "--grace", "24", "--data", str(cloud_data))
    unknown = run("keys", "rotate", "4711", "--data", str(cloud_data))

    assert rotated.stdout.startswith(f"{number}_")
    assert rotated.stdout.strip() != token
    assert (unknown.exit_code, unknown.stderr) == (1, "pileus: API key 4711 could not be found.\n")


@pytest.mark.parametrize("arguments", [["--role", "Kings"], ["--expires", "0"], ["--database", "mysql://x"]])
def test_invalid_option_creates_no_key(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    assert run("keys", "create", "x", "--data", str(tmp_path / "new"), *arguments).exit_code == 2
    assert not (tmp_path / "new").exists()
