"""Read the TOML file of settings."""

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pileus.setting_fields import SettingError


def read_settings_file(
    path: Path, drivers: Collection[str | None], check_name: Callable[[str, str], None]
) -> dict[str, Any]:
    """Return the values in a file, by the names of settings, which `check_name` checks. Raises SettingError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise SettingError(f"{path}: the settings cannot be read: {reason}") from None
    except tomllib.TOMLDecodeError as failure:
        raise SettingError(f"{path}: not TOML: {failure}") from None
    values: dict[str, Any] = {}
    for key, value in _flatten(content, drivers):
        check_name(key, str(path))
        if key in values:
            raise SettingError(f"{path}: the setting {key} is given twice")
        values[key] = value
    return values


def _flatten(content: Mapping[str, Any], drivers: Collection[str | None]) -> Iterable[tuple[str, Any]]:
    """Yield the settings of a file; the keys in a driver's table get the driver's name in front."""
    for key, value in content.items():
        if key in drivers and isinstance(value, dict):
            yield from ((f"{key.replace('-', '_')}_{field_name}", inner) for field_name, inner in value.items())
        else:
            yield key, value
