"""The settings of the server, and how all settings are loaded.

Command-line options, `PILEUS_…` variables, keys of the TOML file and the reference in `docs/settings.md` all come from
the fields of `Settings` and of the drivers' settings Structs. An option wins over a variable, a variable over the
file, and the file over the default.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct, field

from pileus.domain import limits
from pileus.domain.account.api_keys import TOKEN
from pileus.domain.suggestions import describe_similar_names
from pileus.drivers import registry
from pileus.setting_fields import (
    ACCESS,
    LIMITS,
    MACHINES,
    OUTPUT,
    STORAGE,
    Setting,
    SettingError,
    convert_path,
    display_value,
    list_settings,
    setting,
)
from pileus.setting_files import read_settings_file
from pileus.setting_groups import NetworkSettings


def default_data_directory() -> Path:
    """Return the user's data directory by the XDG convention."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home else Path.home() / ".local" / "share") / "pileus"


DEFAULT_RATE_LIMIT = 100


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """The settings of the server and, in `drivers`, those that were given for each driver, by field."""

    data: Annotated[
        Path,
        setting(
            STORAGE,
            "The directory for the database and the first key; created if it is missing.",
            "a directory",
            "$XDG_DATA_HOME/pileus or ~/.local/share/pileus",
        ),
    ] = field(default_factory=default_data_directory)
    database: Annotated[
        str,
        setting(
            STORAGE,
            "The PostgreSQL database; without one, the SQLite file pileus.db in the data directory is used.",
            "an address such as postgresql://user:password@host/name",
            secret=True,
            pattern=r"^(postgres(ql)?://\S+)?$",
        ),
    ] = ""
    secrets_key: Annotated[
        str, setting(STORAGE, "The file of the keys of stored secrets, newest first.", "a file", "DATA/secrets.key")
    ] = ""
    catalogue: Annotated[
        str,
        setting(
            STORAGE,
            "A TOML file of flavors, images, volume types, prices and regions that replaces the built-in one.",
            "a file",
        ),
    ] = ""

    driver: Annotated[
        str, setting(MACHINES, "The driver that runs machines.", "the name of a driver", min_length=1)
    ] = "simulated"
    lease_seconds: Annotated[
        float,
        setting(
            MACHINES,
            "The length of a lease in seconds. If its holder does not renew it, a task gets another worker, and a "
            "region another process that reconciles it.",
            ge=1,
            le=3600,
        ),
    ] = 15

    task_poll_ms: Annotated[
        int,
        setting(
            MACHINES,
            "Milliseconds that a request for an unfinished task waits for the end of the task (long polling); 0 turns "
            "this off.",
            ge=0,
            le=10_000,
        ),
    ] = 250

    api_key: Annotated[
        str,
        setting(
            ACCESS,
            "The first operator's API key, instead of a generated one. Better given as the variable: every user "
            "of the machine can read command lines.",
            "digits, an underscore and a secret of at least 8 characters, such as 1_a-long-secret",
            secret=True,
            pattern=f"^({TOKEN.pattern})?$",
        ),
    ] = ""
    metrics_key_required: Annotated[bool, setting(ACCESS, "Whether /metrics requires an API key.")] = False

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], setting(OUTPUT, "The lowest level of messages to log.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"],
        setting(OUTPUT, "The format of log lines; auto is text on a terminal and JSON elsewhere."),
    ] = "auto"
    legacy_fields: Annotated[
        bool, setting(OUTPUT, "Whether responses also have the fields that older clients read.")
    ] = True

    body_limit: Annotated[int, setting(LIMITS, "The largest accepted request body, in bytes.", ge=1024, le=1 << 30)] = (
        1 << 20
    )
    tag_limit: Annotated[
        int,
        setting(LIMITS, "The most tags of one resource, without system tags.", ge=1, le=limits.TAG_CHANGES.value),
    ] = limits.TAGS.value
    rate_limit: Annotated[
        str,
        setting(
            LIMITS,
            "The requests a second that an API key may send to a server process; it may send those of 5 seconds at "
            "once. Beyond it, requests get 429. auto is 100, but off for simulated machines on loopback.",
            "auto, off or a number of requests a second",
            pattern=r"^(auto|off|[1-9][0-9]{0,6})$",
        ),
    ] = "auto"
    header_timeout: Annotated[
        float,
        setting(
            LIMITS,
            "Seconds that a new connection, or a request, may take to send the complete request head; else it is "
            "closed.",
            gt=0,
            le=3600,
        ),
    ] = 30
    task_limit: Annotated[
        int,
        setting(LIMITS, "The most unfinished tasks of one tenant; over it, requests answer 429.", ge=1, le=1_000_000),
    ] = 20_000
    body_timeout: Annotated[
        float,
        setting(
            LIMITS,
            "Seconds that a client may take to send a request body, or to read an answer that waits; else its "
            "connection is closed.",
            gt=0,
            le=3600,
        ),
    ] = 60
    idle_timeout: Annotated[
        float, setting(LIMITS, "Seconds between two requests after which a connection is closed.", ge=1, le=3600)
    ] = 75
    connection_limit: Annotated[
        int,
        setting(
            LIMITS,
            "The most connections of a server process. Over it, the connection that has been idle for longest is "
            "closed; if none is idle, a new one is refused with 503.",
            ge=16,
            le=1 << 20,
        ),
    ] = 2048
    connection_limit_per_peer: Annotated[
        int,
        setting(LIMITS, "The most connections of one address, except this machine's own.", ge=1, le=1 << 20),
    ] = 512
    instance_cache: Annotated[
        int,
        setting(
            LIMITS,
            "Memory in MiB of a server process for the answers that show instances; an instance needs about 4 KiB. 0 "
            "keeps none.",
            ge=0,
            le=1 << 20,
        ),
    ] = 64
    instance_cache_checked: Annotated[
        bool, setting(LIMITS, "Whether all answers are made again and compared with those in memory; for tests.")
    ] = False
    image_sources: Annotated[
        Literal["auto", "none", "public", "any"],
        setting(
            LIMITS,
            "Addresses that tenants may download images from: none, public ones, or any that the server can reach but "
            "link-local ones, which opens the server's own network to tenants. auto is none with simulated machines, "
            "where an image is then made up from its address, and public with others.",
        ),
    ] = "auto"
    subscribers: Annotated[
        Literal["public", "any"],
        setting(
            LIMITS,
            "Addresses that tenants may have the audit log sent to: public ones, or any that the server can reach but "
            "link-local ones, which opens the server's own network to tenants.",
        ),
    ] = "public"
    image_limit: Annotated[
        int,
        setting(
            LIMITS,
            "The largest image that is downloaded, and the largest file that one is converted to, in GiB.",
            ge=1,
            le=65536,
        ),
    ] = 64
    image_disk_limit: Annotated[
        int, setting(LIMITS, "The largest disk that a downloaded image may describe, in GiB.", ge=1, le=65536)
    ] = 2048
    image_timeout: Annotated[
        float,
        setting(
            LIMITS, "Seconds after which the download of an image is aborted, and then its conversion.", gt=0, le=86400
        ),
    ] = 3600

    drivers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Return the URL of the server, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.rstrip("/") or f"http://{host}:{self.port}"

    @property
    def internal_address(self) -> str:
        """Return the URL at which other servers reach this one, without a slash at its end."""
        host = gethostname() if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104  # compared only
        host = f"[{host}]" if ":" in host else host
        return self.internal_url.rstrip("/") or f"http://{host}:{self.port}"

    @property
    def chosen_home_regions(self) -> frozenset[int] | None:
        """Return the regions whose machines the data directory is to have; None if nothing was chosen."""
        if not self.home_regions:
            return None
        return frozenset(int(text) for text in self.home_regions.split(",") if text != "none")

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only programs of this machine can reach the server."""
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == "localhost"

    @property
    def has_other_processes(self) -> bool:
        """Whether other server processes may use the same database."""
        return self.workers > 1 or bool(self.database)

    def requests_per_second(self, *, is_simulated: bool) -> int:
        """Return the rate limit of an API key; 0 for none. `is_simulated` says whether all machines are simulated."""
        if self.rate_limit == "auto":
            return 0 if is_simulated and self.listens_on_loopback else DEFAULT_RATE_LIMIT
        return 0 if self.rate_limit == "off" else int(self.rate_limit)

    def driver_settings(self, name: str, options: Mapping[str, Any] | None = None) -> Struct:
        """Return a driver's settings as the Struct that it declares; `options` replace those that were given.

        Raises UnknownDriver if the Struct cannot be loaded, and ValidationError or ValueError for a wrong option.
        """
        declaration = registry.load_driver_settings_type(name)
        return msgspec.convert({**self.drivers.get(name, {}), **(options or {})}, declaration, dec_hook=convert_path)

    def value(self, row: Setting) -> Any:
        """Return the value of a setting of the server or of a driver."""
        return getattr(self.driver_settings(row.driver) if row.driver else self, row.field)

    def __repr__(self) -> str:
        """Show all settings except secrets."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.without_secrets().items())})"

    def without_secrets(self) -> dict[str, Any]:
        """Return every setting's value for display; API keys and passwords are hidden."""
        return {row.name: display_value(row, self.value(row)) for row in list_all_settings()}


def _with_drivers(rows: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return all settings: those of the drivers follow the section about machines."""
    server_settings = list_settings(Settings)
    after = 1 + max(index for index, row in enumerate(server_settings) if row.section == MACHINES)
    return (*server_settings[:after], *rows, *server_settings[after:])


def _list_driver_settings(name: str) -> list[Setting]:
    return list_settings(registry.load_driver_settings_type(name), name)


SETTINGS = _with_drivers(row for name in registry.BUILT_IN[registry.SETTINGS] for row in _list_driver_settings(name))
"""The settings of the server and of built-in drivers."""


@cache
def list_foreign_settings() -> tuple[Setting, ...]:
    """Return the settings of other packages' drivers. Raises SettingError if they cannot be loaded."""
    try:
        rows = [
            row for name in registry.external_driver_names(registry.SETTINGS) for row in _list_driver_settings(name)
        ]
    except registry.UnknownDriver as problem:
        raise SettingError(f"The settings of a driver are wrong: {problem}") from problem
    taken = {row.name for row in SETTINGS}
    if clashes := [row.name for row in rows if row.name in taken]:
        raise SettingError(f"A driver declares a setting that exists already: {', '.join(clashes)}")
    return tuple(rows)


def list_all_settings() -> tuple[Setting, ...]:
    """Return every setting, those of other packages' drivers last. Raises SettingError if those cannot be loaded."""
    return (*SETTINGS, *list_foreign_settings())


class GivenSettingValue(Struct, frozen=True):
    """A given value and its source; `typed` if the source has types, as TOML has."""

    value: Any
    origin: str
    typed: bool = False


def load(flags: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Load the settings from all sources. Raises SettingError. Flags of None and empty variables count as not given."""
    return validate(gather_given_values(flags, environ, config))


def gather_given_values(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None
) -> dict[str, GivenSettingValue]:
    """Collect the given values, each from its strongest source. Raises SettingError for a wrong file."""
    path = config or (Path(environ["PILEUS_CONFIG"]) if environ.get("PILEUS_CONFIG") else None)
    given: dict[str, GivenSettingValue] = {}
    if path is not None:
        drivers = {row.driver for row in list_all_settings()}
        values = read_settings_file(path.expanduser(), drivers, check_setting_name)
        given = {name: GivenSettingValue(value, str(path.expanduser()), typed=True) for name, value in values.items()}
    for row in list_all_settings():
        if environ.get(row.environment_variable):
            given[row.name] = GivenSettingValue(environ[row.environment_variable], row.environment_variable)
        if flags.get(row.name) is not None:
            given[row.name] = GivenSettingValue(flags[row.name], row.command_line_option)
    return given


def validate(given: Mapping[str, GivenSettingValue]) -> Settings:
    """Check and convert the given values; all others have their defaults. Raises SettingError."""
    rows = {row.name: row for row in list_all_settings()}
    server_values: dict[str, Any] = {}
    drivers: dict[str, dict[str, Any]] = {}
    for name, source in given.items():
        row, value = rows[name], _convert(rows[name], source)
        if row.driver:
            # Plain values, which also reach other processes as JSON.
            drivers.setdefault(row.driver, {})[row.field] = msgspec.to_builtins(value, enc_hook=str)
        else:
            server_values[name] = value
    return Settings(**server_values, drivers=drivers)


def check_setting_name(key: str, origin: str) -> None:
    """Check that there is a setting with this name. Raises SettingError, with a hint."""
    names = [row.name for row in list_all_settings()]
    if key not in names:
        hint = (
            describe_similar_names(key.replace("-", "_").lower(), names, count=1)
            or ": `pileus settings` lists them all"
        )
        raise SettingError(f"{origin}: there is no setting {key}{hint}")


def _convert(row: Setting, source: GivenSettingValue) -> Any:
    try:
        return msgspec.convert(source.value, row.kind, strict=source.typed, dec_hook=convert_path)
    except (msgspec.ValidationError, ValueError):
        given = "" if row.secret else f", not {source.value!r}"
        raise SettingError(f"{source.origin}: the setting {row.name} wants {row.wants}{given}") from None
