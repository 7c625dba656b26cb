"""The machines of a database are in one data directory."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from pileus.driver_homes import ID_FILE
from tests.machines.real import end_all
from tests.servers import free_port, start_server
from tests.test_server import run_to_end

QEMU = ("--driver", "qemu", "--qemu-cpu-ratio", "32")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that QEMU's user can reach."""
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
    path = Path(mkdtemp(prefix="pileus-"))
    path.chmod(0o755)
    yield path
    end_all(path)
    shutil.rmtree(path)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_another_data_directory_with_real_machines_is_refused(postgres: str, folder: Path, workers: str) -> None:
    shared = ("--database", postgres, "--secrets-key", str(folder / "keys"), "--workers", workers)
    start_server(folder / "one", *QEMU, *shared).stop()
    start_server(folder / "one", *QEMU, *shared).stop()

    refused = run_to_end("--data", str(folder / "two"), "--port", str(free_port()), *QEMU, *shared)

    assert f"The machines of this database are in {folder / 'one'} on host " in refused.stderr
    assert "start the server with it, or use another database" in refused.stderr
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    (folder / "one").rename(folder / "moved")
    start_server(folder / "moved", *QEMU, *shared).stop()


def test_each_database_file_has_machines_of_its_own(folder: Path) -> None:
    for name in ("one", "two"):
        start_server(folder / name, *QEMU).stop()

    assert not (folder / "one" / ID_FILE).exists()
