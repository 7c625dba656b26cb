"""The machines of a region are in one data directory."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import httpx
import pytest

from pileus.driver_homes import ID_FILE
from tests.machines.real import end_all
from tests.requirements import skip_unless_required
from tests.servers import free_port, start_server
from tests.test_server import run_to_end

QEMU = ("--driver", "qemu", "--qemu-cpu-ratio", "32")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that QEMU's user can reach."""
    if not shutil.which("qemu-system-x86_64"):
        skip_unless_required("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
    path = Path(mkdtemp(prefix="pileus-"))
    path.chmod(0o755)
    yield path
    end_all(path)
    shutil.rmtree(path)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_with_another_data_directory_leaves_real_machines_to_the_first_one(
    postgres: str, folder: Path, workers: str
) -> None:
    shared = ("--database", postgres, "--secrets-key", str(folder / "keys"), "--workers", workers)
    first = start_server(folder / "one", *QEMU, *shared)
    other = start_server(folder / "two", *QEMU, *shared)
    ready = [httpx.get(f"{server.url}/readyz").json() for server in (first, other)]
    other.stop()
    first.stop()

    refused = run_to_end(
        "--data", str(folder / "two"), "--port", str(free_port()), "--home-regions", "1", *QEMU, *shared
    )

    assert [view.get("regions_elsewhere") for view in ready] == [None, [1]]
    assert f"The machines of region 1 are in {folder / 'one'} on host " in refused.stderr
    assert "start the server with that directory" in refused.stderr
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    (folder / "one").rename(folder / "moved")
    moved = start_server(folder / "moved", *QEMU, *shared)
    assert "regions_elsewhere" not in httpx.get(f"{moved.url}/readyz").json()
    moved.stop()


def test_each_database_file_has_machines_of_its_own(folder: Path) -> None:
    for name in ("one", "two"):
        start_server(folder / name, *QEMU).stop()

    assert not (folder / "one" / ID_FILE).exists()
