"""The program of the newest release before this commit, or of the commit before the newest migration."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = "src/pileus/store/migrations"


def _git(*arguments: str) -> str:
    """Return what git prints. Skips the test if the history of the repository is not there."""
    if (output := _ask_git(*arguments)) is None:
        pytest.skip("needs git and the history of the repository")
    return output


def _ask_git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.strip()


def extract_previous_version(folder: Path) -> Path:
    """Extract the sources of the previous version; return the directory for PYTHONPATH.

    Skips the test if the history of the repository is not there.
    """
    previous = _ask_git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^") or _find_former_schema()
    archive = subprocess.run(("git", "-C", str(ROOT), "archive", previous, "src"), capture_output=True, check=True)
    subprocess.run(("tar", "-x", "-C", str(folder)), input=archive.stdout, check=True)
    return folder / "src"


def _find_former_schema() -> str:
    """Return the commit before the newest migration, which stands for a release before the first one."""
    files = _git("ls-files", f"{MIGRATIONS}/*.sql").splitlines()
    if not files:
        pytest.skip("needs the history of the repository")
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", files[-1])
    if not added:
        pytest.skip(f"needs the commit that has added {files[-1]}: this clone is shallow")
    return _git("rev-parse", "--verify", f"{added}^")
