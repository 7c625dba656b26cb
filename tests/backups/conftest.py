"""Fixtures: a cloud without a server, and a backup of it."""

from pathlib import Path

import pytest

from pileus.settings import Settings
from tests.backups.archives import back_up, make_cloud


@pytest.fixture
async def cloud(tmp_path: Path) -> Settings:
    """The settings of a server that has been stopped."""
    return await make_cloud(tmp_path / "cloud")


@pytest.fixture
async def backup(cloud: Settings, tmp_path: Path) -> Path:
    """A backup of it."""
    path = tmp_path / "cloud.backup"
    await back_up(cloud, path)
    return path
