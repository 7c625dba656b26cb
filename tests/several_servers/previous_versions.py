"""The program of the commit before the newest migration, from the history of the repository."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = "src/pileus/store/migrations"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs git and the history of the repository")
    if done.returncode:
        pytest.skip(f"needs the history of the repository: {done.stderr.strip()[:200]}")
    return done.stdout.strip()


def extract_previous_version(folder: Path) -> Path:
    """Extract the sources of the commit before the newest migration; return the directory for PYTHONPATH.

    Skips the test if the history of the repository is not there.
    """
    files = _git("ls-files", f"{MIGRATIONS}/*.sql").splitlines()
    if not files:
        pytest.skip("needs the history of the repository")
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", files[-1])
    if not added:
        pytest.skip(f"needs the commit that has added {files[-1]}: this clone is shallow")
    before = _git("rev-parse", "--verify", f"{added}^")
    archive = subprocess.run(("git", "-C", str(ROOT), "archive", before, "src"), capture_output=True, check=True).stdout
    subprocess.run(("tar", "-x", "-C", str(folder)), input=archive, check=True)
    return folder / "src"
