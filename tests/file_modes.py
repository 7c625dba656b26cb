"""The modes of files."""

import stat
from pathlib import Path

TRAVERSABLE = 0o711


def mode_of(path: Path) -> int:
    """Return the permission bits of a file or directory."""
    return stat.S_IMODE(path.lstat().st_mode)


def paths_open_to_others(data: Path, traversable: tuple[str, ...] = ()) -> list[str]:
    """Return what other users may use in a directory; those named may be traversed by them, but not read."""
    allowed = {data / name: TRAVERSABLE for name in traversable}
    return [
        f"{path.relative_to(data)} {mode_of(path):o}"
        for path in sorted(data.rglob("*"))
        if not path.is_symlink() and mode_of(path) & 0o077 and mode_of(path) != allowed.get(path)
    ]
