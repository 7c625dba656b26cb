"""`pileus ssh-keys create` never loses the private key that the server makes: it is shown once."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.file_modes import mode_of

CREATE = ("ssh-keys", "create", "--name")


def public_key_of(file: Path) -> str:
    """Return the public key that ssh computes from a private one."""
    words = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True).stdout.split()
    return words[1]


def keys(use: Run) -> dict[str, str]:
    return {
        key["name"]: key["public_key"].split()[1] for key in json.loads(use("ssh-keys", "list", "-o", "json").stdout)
    }


@pytest.mark.parametrize("output", ["table", "tsv"])
def test_the_private_key_is_printed_alone_and_as_it_is(use: Run, tmp_path: Path, output: str) -> None:
    name = f"printed-{output}"
    result = use(*CREATE, name, "-o", output)
    file = tmp_path / "key"
    file.write_text(result.stdout)
    file.chmod(0o600)

    assert result.stderr.endswith("is created. Save its private key: it cannot be shown again.\n")
    assert public_key_of(file) == keys(use)[name]


def test_the_private_key_goes_to_a_new_file_that_only_its_owner_can_read(use: Run, tmp_path: Path) -> None:
    file = tmp_path / "key"
    result = use(*CREATE, "filed", "--private-key-file", str(file), "-o", "json")

    assert (json.loads(result.stdout)["name"], "PRIVATE" in result.stdout) == ("filed", False)
    assert result.stderr == f"The private key is in {file}. It cannot be shown again.\n"
    assert mode_of(file) == 0o600
    assert public_key_of(file) == keys(use)["filed"]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_an_existing_file_is_never_overwritten(use: Run, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "key"
    file.symlink_to("nowhere") if kind == "dangling link" else file.write_text("precious")
    result = use(*CREATE, "refused", "--private-key-file", str(file))

    assert (result.exit_code, "exists, and is not overwritten" in result.stderr) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key"]
    assert file.is_symlink() or file.read_text() == "precious"
    assert "refused" not in keys(use)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "name"], "this output would lose the private key"),
        (["--columns", "id,name"], "this output would lose the private key"),
        (["-o", "json", "--columns", "id"], "this output would lose the private key"),
        (["--public-key", "ssh-ed25519 AAAA", "--private-key-file", "{0}/key"], "without --public-key"),
        (["--private-key-file", "{0}/none/key"], "cannot be written"),
    ],
)
def test_what_would_lose_the_private_key_makes_none(use: Run, tmp_path: Path, options: list[str], message: str) -> None:
    result = use(*CREATE, "lost", *(option.format(tmp_path) for option in options))

    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert "lost" not in keys(use)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_creation_leaves_no_file(use: Run, tmp_path: Path) -> None:
    result = use(*CREATE, "", "--private-key-file", str(tmp_path / "key"))

    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_a_full_disk_refuses_is_printed(use: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    open_full = os.open
    monkeypatch.setattr(
        "pileus.cli.ssh_keys.os.open",
        lambda path, flags, mode=0o777, **more: open_full(
            "/dev/full" if str(path).endswith("/key") else path, flags & ~os.O_EXCL, mode, **more
        ),
    )
    result = use(*CREATE, "full", "--private-key-file", str(tmp_path / "key"))

    assert (result.exit_code, "Save the private key above" in result.stderr) == (1, True), result.stderr
    assert result.stdout.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def test_json_and_own_public_keys_are_shown_as_other_answers(use: Run) -> None:
    answer = json.loads(use(*CREATE, "in-json", "-o", "json").stdout)
    public_key = answer["public_key"]
    saved = use(*CREATE, "own", "--public-key", public_key, "-o", "tsv")

    assert answer["private_key"].count("\n") > 2
    assert "\nname\town\n" in saved.stdout
