"""Declares settings: the fields of a Struct, each with `setting(...)` in its annotation.

The server's settings and those of drivers are declared in this way.
"""

from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import NODEFAULT, Meta, Struct

NETWORK, STORAGE, MACHINES, REAL_MACHINES = "Network", "Storage", "Machines", "Real machines (QEMU)"
ACCESS, OUTPUT, LIMITS = "Access", "Output", "Limits"
CLIENT_TESTS, RETENTION = "Tests of clients", "Retention"
OPENSTACK = "OpenStack"
SECTIONS = (NETWORK, STORAGE, MACHINES, REAL_MACHINES, OPENSTACK, ACCESS, OUTPUT, LIMITS, CLIENT_TESTS, RETENTION)
"""The sections of the built-in settings, in their order in the reference."""
HIDDEN = "(hidden)"


class SettingError(ValueError):
    """A setting is wrong; the message is one line that names it and its source."""


def setting(
    section: str, help_text: str, wants: str = "", default_text: str = "", *, secret: bool = False, **limits: Any
) -> Meta:
    """Describe a setting: its section and help, and if needed what it accepts and its default in words.

    `limits` are those of `msgspec.Meta`, such as `ge` or `pattern`.
    """
    extra = {"section": section, "wants": wants, "default_text": default_text, "secret": secret}
    return Meta(description=help_text, extra=extra, **limits)


class Setting(Struct, frozen=True, kw_only=True):
    """A setting as users see it; `driver` is the driver that it belongs to, if any, and `field` its name there."""

    name: str
    field: str
    driver: str | None
    kind: Any
    default: Any
    default_text: str
    help: str
    section: str
    wants: str
    secret: bool

    @property
    def command_line_option(self) -> str:
        """Return the command-line option."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def environment_variable(self) -> str:
        """Return the name of the environment variable."""
        return f"PILEUS_{self.name.upper()}"

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the values of an enumeration, or nothing for other kinds."""
        plain = get_args(self.kind)[0]
        return get_args(plain) if plain not in (str, int, float, bool, Path) else ()

    @property
    def plain_type(self) -> type:
        """Return the Python type without limits."""
        kind: type = str if self.choices else get_args(self.kind)[0]
        return kind


def list_settings(declaration: type[Struct], driver: str | None = None) -> list[Setting]:
    """List the settings that a Struct declares, by section, under the name of the driver if it is a driver's."""
    rows = [_setting(info, driver) for info in msgspec.structs.fields(declaration) if _meta(info.type) is not None]
    return sorted(rows, key=lambda row: SECTIONS.index(row.section) if row.section in SECTIONS else 0)


def convert_path(kind: type, value: Any) -> Path:
    """Convert text to a path; a `dec_hook` for msgspec."""
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(value)
    return Path(value).expanduser()


def display_value(row: Setting, value: Any) -> Any:
    """Return the value of a setting for display; API keys and passwords are hidden."""
    if isinstance(value, Path):
        return str(value)
    if not row.secret or not value:
        return value
    return without_password(value) if row.name == "database" else HIDDEN


def _setting(info: msgspec.structs.FieldInfo, driver: str | None) -> Setting:
    meta = _meta(info.type)
    assert meta is not None  # noqa: S101  # `list_settings` has checked it
    extra = meta.extra
    default = info.default_factory() if info.default is NODEFAULT else info.default
    return Setting(
        name=f"{driver}_{info.name}".replace("-", "_") if driver else info.name,
        field=info.name,
        driver=driver,
        kind=info.type,
        default=default,
        default_text=extra["default_text"] or (str(default).lower() if isinstance(default, bool) else str(default)),
        help=meta.description or "",
        section=extra["section"],
        wants=extra["wants"] or _wants(info.type, meta),
        secret=extra["secret"],
    )


def _meta(kind: Any) -> Any:
    return next((argument for argument in get_args(kind) if isinstance(argument, Meta) and argument.extra), None)


def _wants(kind: Any, meta: Meta) -> str:
    """Describe the accepted values."""
    plain = get_args(kind)[0]
    if plain is bool:
        return "true or false"
    if plain in (int, float):
        return f"{'a whole number' if plain is int else 'a number'}{_range(meta)}"
    return "one of " + ", ".join(get_args(plain)) if get_args(plain) else "some text"


def _range(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    limits = {"above": meta.gt, "at least": meta.ge, "below": meta.lt, "at most": meta.le}
    text = ", ".join(f"{word} {limit}" for word, limit in limits.items() if limit is not None)
    return f" {text}" if text else ""


def without_password(url: str) -> str:
    """Return an address without its password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    # A password that contains a slash is not recognized: hide the complete URL.
    if url.count("@") != parts.netloc.count("@"):
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = HIDDEN if "password" in parts.query.lower() else parts.query
    return urlunsplit(parts._replace(netloc=f"{name}{colon and ':' + HIDDEN}{at}{host}", query=query))
