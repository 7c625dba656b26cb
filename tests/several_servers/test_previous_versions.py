"""Which version a rolling upgrade starts from."""

import subprocess
from pathlib import Path

import pytest

from tests.several_servers import previous_versions
from tests.several_servers.previous_versions import MIGRATIONS, extract_previous_version


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of three commits; the second has added the newest migration."""
    monkeypatch.setattr(previous_versions, "ROOT", tmp_path)
    git(tmp_path, "init", "--quiet")
    for number, file in enumerate(("0001_start.sql", "0002_more.sql", "0002_more.sql"), start=1):
        migration = tmp_path / MIGRATIONS / file
        migration.parent.mkdir(parents=True, exist_ok=True)
        migration.write_text(f"{number}")
        (tmp_path / "src" / "version").write_text(f"{number}")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", f"Make version {number}")
    return tmp_path


def git(repository: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Anybody", "-c", "user.email=anybody@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(("git", "-C", str(repository), *author, *arguments), timeout=60, check=True)


@pytest.mark.parametrize(
    ("tags", "version"),
    [
        ({}, "1"),
        ({"v0.1.0": "HEAD^"}, "2"),
        ({"v0.1.0": "HEAD^^", "v0.2.0": "HEAD^"}, "2"),
        ({"v0.1.0": "HEAD^^", "v0.2.0": "HEAD"}, "1"),
        ({"v0.1.0": "HEAD"}, "1"),
        ({"other": "HEAD^"}, "1"),
    ],
)
def test_an_upgrade_starts_from_the_release_before(
    history: Path, tmp_path_factory: pytest.TempPathFactory, tags: dict[str, str], version: str
) -> None:
    for tag, commit in tags.items():
        git(history, "tag", tag, commit)

    sources = extract_previous_version(tmp_path_factory.mktemp("previous"))

    assert (sources / "version").read_text() == version
