"""`pileus keys`: made, listed and revoked in the database that a running server uses."""

import json
import time
from pathlib import Path

import httpx
import pytest

from pileus.api.authentication import FRESH
from pileus.cli.temporary_server import trial
from tests.cli.conftest import Run


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(run: Run, tmp_path: Path) -> None:
    here = ("--data", str(tmp_path))

    made = run("keys", "create", "pipeline", "--role", "Engineers", "--expires", "30", *here)
    token = made.stdout.strip()
    listed = json.loads(run("keys", "list", "-o", "json", *here).stdout)
    table = run("keys", "list", *here).stdout
    number = token.partition("_")[0]
    revoked = run("keys", "revoke", number, *here)
    after = json.loads(run("keys", "list", "--output", "json", *here).stdout)

    assert made.stderr == "Key pipeline (Engineers) is made. Keep its token: it cannot be shown again.\n"
    row = next(one for one in listed if one["id"] == int(number))
    assert (row["name"], row["role"], row["revoked_at"]) == ("pipeline", "Engineers", None)
    assert row["expires_at"] > row["created_at"]
    assert "pipeline" in table
    assert token.partition("_")[2] not in table + json.dumps(listed)
    assert revoked.stdout == f"Key {number} is revoked.\n"
    assert next(one for one in after if one["id"] == int(number))["revoked_at"].endswith("Z")


def test_a_key_for_a_program_is_json(run: Run, tmp_path: Path) -> None:
    made = run("keys", "create", "reader", "--role", "Users", "--output", "json", "--data", str(tmp_path))

    row = json.loads(made.stdout)[0]
    assert (row["name"], row["role"]) == ("reader", "Users")
    assert "_" in row["token"]


def test_revoking_what_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    refused = run("keys", "revoke", "4711", "--data", str(tmp_path))

    assert refused.exit_code == 1
    assert refused.stderr == "pileus: There is no key 4711. `pileus keys list` shows those there are.\n"


def test_a_running_server_takes_a_key_at_once_and_its_end_within_a_second(run: Run, tmp_path: Path) -> None:
    with trial("--data", str(tmp_path)) as found:
        token = run("keys", "create", "late", "--data", str(tmp_path)).stdout.strip()

        def status() -> int:
            return httpx.get(f"{found.url}/cloud/v1/projects", headers={"Authorization": f"APIKey {token}"}).status_code

        before = status()
        run("keys", "revoke", token.partition("_")[0], "--data", str(tmp_path))
        end = time.monotonic() + FRESH + 1
        while status() != 401 and time.monotonic() < end:
            time.sleep(0.05)

        assert (before, status()) == (200, 401)


@pytest.mark.parametrize("wrong", [["--role", "Kings"], ["--expires", "0"], ["--database", "mysql://x"]])
def test_a_mistake_on_the_line_makes_no_key(run: Run, tmp_path: Path, wrong: list[str]) -> None:
    assert run("keys", "create", "x", "--data", str(tmp_path / "new"), *wrong).exit_code == 2
    assert not (tmp_path / "new").exists()
