"""Other users of the host cannot read what the server creates, whatever the umask and the mode of the directory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gcore import Gcore

from pileus.private_files import OWN_ENTRIES, prepare_data_directory
from tests.file_modes import mode_of, paths_open_to_others
from tests.orders import UBUNTU
from tests.servers import run_server

NO_KEY = {"PILEUS_API_KEY": ""}


@pytest.fixture
def restored_umask() -> Iterator[None]:
    """Restore the umask of the tests' process."""
    previous = os.umask(0o022)
    yield
    os.umask(previous)


def create_something_of_each_kind(url: str, key: str) -> None:
    with Gcore(base_url=url, api_key=key, cloud_project_id=1, cloud_region_id=1) as client:
        client.cloud.instances.create_and_poll(
            flavor="g1-standard-1-2",
            interfaces=[{"type": "external"}],
            name="web",
            volumes=[{"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0}],
        )
        client.cloud.networks.create_and_poll(name="net")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_of_a_server_are_private_in_a_directory_that_everybody_can_read(workers: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)

    with run_server(data, "--workers", workers, **NO_KEY) as server:
        create_something_of_each_kind(server.url, (data / "admin.key").read_text().strip())
        open_paths = paths_open_to_others(data)
        names = {path.name for path in data.iterdir()}

    assert open_paths == paths_open_to_others(data) == []
    assert {"pileus.db", "pileus.db-wal", "pileus.db-shm", "serve.lock", "admin.key"} <= names
    assert ("figures" in names) == (workers == "2")
    assert mode_of(data) == 0o777


def test_everything_that_a_server_creates_is_among_the_entries_that_are_corrected(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--workers", "2", **NO_KEY):
        names = {path.name for path in (tmp_path / "data").iterdir()}

    assert {name for name in names if not any(Path(name).match(pattern) for pattern in OWN_ENTRIES)} == set()


def test_a_start_makes_files_of_earlier_versions_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data):
        pass
    (data / "qemu/volumes").mkdir(parents=True)
    (data / "qemu/volumes/one.qcow2").touch()
    (data / "images").mkdir()
    for path in data.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

    with run_server(data):
        assert paths_open_to_others(data) == ["images 755"], "what operators put there keeps its mode"


def test_commands_on_the_database_create_private_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_server(data):
        pass
    command = [sys.executable, "-m", "pileus", "keys", "create", "one", "--data", str(data)]

    subprocess.run(command, check=True, capture_output=True, umask=0)

    assert (mode_of(data), paths_open_to_others(data)) == (0o700, [])


@pytest.mark.usefixtures("restored_umask")
def test_a_link_in_the_directory_of_a_machine_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    (tmp_path / "other").chmod(0o644)
    machine = tmp_path / "data/qemu/machines/one"
    machine.mkdir(parents=True)
    (machine / "seed").symlink_to(tmp_path / "other")
    (machine / "folder").symlink_to(tmp_path)

    prepare_data_directory(tmp_path / "data")

    assert mode_of(tmp_path / "other") == 0o644
