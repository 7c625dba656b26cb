"""The file of a backup: it appears when it is complete, and damage is recognized."""

import asyncio
import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from pileus.backups.archives import BackupError
from pileus.backups.new_files import write_whole_file
from pileus.backups.restorations import check_backup
from pileus.initial_data import NoCloud
from pileus.settings import Settings
from tests.backups.archives import back_up, rewrite, rows_of
from tests.file_modes import mode_of


def test_a_damaged_backup_is_recognized_wherever_the_damage_is(backup: Path, tmp_path: Path) -> None:
    content, damaged = backup.read_bytes(), tmp_path / "damaged.backup"
    places = random.Random(0)  # noqa: S311  # the same places each time
    recognized = 0
    for _ in range(15):
        changed = bytearray(content)
        changed[places.randrange(len(content))] ^= 1 << places.randrange(8)
        damaged.write_bytes(changed)
        try:
            asyncio.run(check_backup(damaged))
        except BackupError:
            recognized += 1
        else:
            # A byte that says nothing about the content, such as the time of a member.
            assert rows_of(damaged) == rows_of(backup)

    assert recognized > 7


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_backup_that_is_cut_off_is_recognized(backup: Path, tmp_path: Path, share: float) -> None:
    content, part = backup.read_bytes(), tmp_path / "part.backup"
    part.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(BackupError, match=r"part\.backup is no backup, or not a whole one"):
        asyncio.run(check_backup(part))


async def test_a_backup_of_a_newer_version_is_refused(backup: Path, tmp_path: Path) -> None:
    await rewrite(backup, tmp_path / "newer.backup", schema_version=9999)

    with pytest.raises(BackupError, match="upgrade Pileus"):
        await check_backup(tmp_path / "newer.backup")


async def test_what_is_no_cloud_is_not_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "none.backup"

    with pytest.raises(NoCloud):
        await back_up(Settings(data=tmp_path / "nothing"), path)

    assert not path.exists()
    assert not (tmp_path / "nothing").exists()


async def test_an_existing_file_is_replaced_only_if_that_is_said(cloud: Settings, backup: Path) -> None:
    with pytest.raises(BackupError, match="exists already: choose another name, or use --overwrite"):
        await back_up(cloud, backup)

    os.truncate(backup, 0)
    await back_up(cloud, backup, overwrite=True)

    assert rows_of(backup)
    assert [entry.name for entry in backup.parent.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.parametrize("has_anonymous_files", [True, False])
def test_a_file_appears_when_it_is_complete(
    has_anonymous_files: bool,  # noqa: FBT001  # a test parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_anonymous_files:
        _refuse_anonymous_files(monkeypatch)
    path = tmp_path / "file"

    def fail_in_the_middle() -> None:
        with write_whole_file(path) as file:
            file.write(b"half")
            assert not path.exists()
            assert not has_anonymous_files or list(tmp_path.iterdir()) == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert list(tmp_path.iterdir()) == []

    with write_whole_file(path) as file:
        file.write(b"whole")
    assert (path.read_bytes(), mode_of(path), list(tmp_path.iterdir())) == (b"whole", 0o600, [path])


def _refuse_anonymous_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system behave like one whose file system has no files without a name."""
    open_file = os.open

    def refuse(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return open_file(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
