"""The settings of clouds in the process of the tests."""

from typing import Any

from pileus.settings import Settings

CHECKED = {"PILEUS_INSTANCE_CACHE_CHECKED": "true"}
"""The same for servers in processes of their own."""


def checked_settings(**values: Any) -> Settings:
    """Return settings with which the cloud makes every kept answer again, and compares."""
    return Settings(**{"log_level": "error", "instance_cache_checked": True, **values})
