"""`pileus state`, against a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.cli.temporary_server import run_temporary_server
from tests.cli.conftest import Run
from tests.file_modes import mode_of


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[str, str]]:
    """The options of a server whose state no other test needs."""
    with run_temporary_server() as server:
        yield server.url, server.key


def test_a_state_is_saved_and_loaded(run: Run, own_server: tuple[str, str], tmp_path: Path) -> None:
    file, options = tmp_path / "cloud.state", ("--url", own_server[0], "--key", own_server[1])

    saved = run("state", "save", str(file), *options)
    created = run("tenants", "create", "later", *options)
    unconfirmed = run("state", "load", str(file), *options)
    loaded = run("state", "load", str(file), "--yes", *options)
    tenants = run("tenants", "list", "--output", "json", *options)

    assert (saved.exit_code, created.exit_code, loaded.exit_code) == (0, 0, 0), saved.output + loaded.output
    assert saved.stdout.startswith(f"The state of the cloud is in {file}: ")
    assert mode_of(file) == 0o600
    assert (unconfirmed.exit_code, "--yes" in unconfirmed.output) == (2, True)
    assert "later" not in tenants.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["cloud.state"]


def test_a_file_that_is_no_state_is_reported_in_one_line(run: Run, own_server: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("notes")

    options = ("--yes", "--url", own_server[0], "--key", own_server[1])
    loaded = run("state", "load", str(file), *options)
    missing = run("state", "load", str(tmp_path / "none"), *options)

    assert (loaded.exit_code, missing.exit_code) == (1, 1)
    assert missing.stderr == f"pileus: {tmp_path / 'none'} cannot be read: No such file or directory\n"
    assert "This is no file with the state of a cloud" in loaded.stderr


def test_without_a_server_nothing_is_written(run: Run, tmp_path: Path) -> None:
    saved = run("state", "save", str(tmp_path / "cloud.state"), "--url", "http://127.0.0.1:9", "--key", "1_key")

    assert saved.exit_code == 1
    assert "nothing answers at http://127.0.0.1:9" in saved.stderr
    assert list(tmp_path.iterdir()) == []
