"""Settings: each is said once, here: its default, what it may be, and a sentence of help.

Command-line options, `PILEUS_…` variables, the keys of the TOML file and the reference in `docs/settings.md` all
come from the fields of `Settings`. What is given on the command line wins over a variable, a variable over the
file, and the file over the default.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import NODEFAULT, Meta, Struct, field

from pileus.domain.account.keys import TOKEN

HIDDEN = "(hidden)"
LISTENING, KEEPING, RUNNING = "Where it listens", "What it keeps", "What it runs"
MACHINES = "Real machines"
CALLERS, SAYING, LIMITS = "Who may call", "What it says", "Limits"


class SettingError(ValueError):
    """A setting is wrong; the message is one line that names it and says where it came from."""


def default_data() -> Path:
    """Where a user's programs keep their data."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if home else Path.home() / ".local" / "share") / "pileus"


def about(section: str, text: str, wants: str = "", shown: str = "", *, secret: bool = False, **limits: Any) -> Meta:
    """Tell a setting's section, its sentence of help, and where needed what it wants and its default in words."""
    extra = {"section": section, "wants": wants, "shown": shown, "secret": secret}
    return Meta(description=text, extra=extra, **limits)


class Settings(Struct, frozen=True, kw_only=True):
    """All that can be set; made by `load`, or directly by tests and programs."""

    host: Annotated[str, about(LISTENING, "The address to listen on.", "an address of this machine", min_length=1)] = (
        "127.0.0.1"
    )
    port: Annotated[int, about(LISTENING, "The port to listen on.", ge=1, le=65535)] = 8080
    public_url: Annotated[
        str,
        about(
            LISTENING,
            "How clients reach the server, where that is not http://HOST:PORT: used in the links it gives out.",
            "an address such as https://cloud.example.org",
            pattern=r"^(https?://[^\s/]+\S*)?$",
        ),
    ] = ""
    workers: Annotated[int, about(LISTENING, "How many server processes share the work.", ge=1, le=256)] = 1

    data: Annotated[
        Path,
        about(
            KEEPING,
            "The directory for the database and the first key; made if it is missing.",
            "a directory",
            "$XDG_DATA_HOME/pileus or ~/.local/share/pileus",
        ),
    ] = field(default_factory=default_data)
    database: Annotated[
        str,
        about(
            KEEPING,
            "The PostgreSQL database to use; without one, the SQLite file pileus.db in the data directory.",
            "an address such as postgresql://user:password@host/name",
            secret=True,
            pattern=r"^(postgres(ql)?://\S+)?$",
        ),
    ] = ""
    catalogue: Annotated[
        str,
        about(
            KEEPING,
            "A TOML file of flavors, images, volume types, prices and regions, in place of the built-in one.",
            "a file",
        ),
    ] = ""

    driver: Annotated[str, about(RUNNING, "What runs the machines.", "the name of a driver", min_length=1)] = (
        "simulated"
    )
    simulated_time: Annotated[
        Literal["instant", "realistic"],
        about(RUNNING, "How long the simulated driver's machines take: no time, or about as long as real ones."),
    ] = "instant"
    lease_seconds: Annotated[
        float,
        about(RUNNING, "After how many silent seconds a worker's task is taken over by another.", ge=1, le=3600),
    ] = 15

    qemu_accelerator: Annotated[
        Literal["auto", "kvm", "tcg"],
        about(MACHINES, "What runs the processors of real machines; auto is KVM if a machine really runs on it."),
    ] = "auto"
    qemu_user: Annotated[
        str, about(MACHINES, "Which user QEMU runs as, where the server is root.", "the name of a user", min_length=1)
    ] = "nobody"
    qemu_cpu_ratio: Annotated[
        float, about(MACHINES, "How often each core of the host is promised to machines.", gt=0, le=1024)
    ] = 8
    qemu_ram_ratio: Annotated[
        float, about(MACHINES, "How often the host's memory is promised to machines.", gt=0, le=64)
    ] = 1
    qemu_resume: Annotated[
        bool, about(MACHINES, "Whether machines that ran when the host went down start again with the server.")
    ] = True
    qemu_bridges: Annotated[
        str,
        about(
            MACHINES,
            "Which networks of the catalogue are joined with which of the host's bridges: by root, or QEMU's helper.",
            "pairs such as pub_net=br0,lab=br1",
            pattern=r"^([^=,\s]+=[A-Za-z0-9_.-]{1,15}(,[^=,\s]+=[A-Za-z0-9_.-]{1,15})*)?$",
        ),
    ] = ""

    api_key: Annotated[
        str,
        about(
            CALLERS,
            "The first administrator's API key, instead of one made up at the first start; better given as the "
            "variable, for everyone on the machine can read a command line.",
            "digits, an underscore and a secret of at least 8 characters, such as 1_a-long-secret",
            secret=True,
            pattern=f"^({TOKEN.pattern})?$",
        ),
    ] = ""
    metrics_key_required: Annotated[bool, about(CALLERS, "Whether /metrics asks for an API key.")] = False

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], about(SAYING, "The least important messages to log.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "text", "json"],
        about(SAYING, "How log lines look; auto is text on a terminal and JSON elsewhere."),
    ] = "auto"
    legacy_fields: Annotated[
        bool, about(SAYING, "Whether instances also carry the field names that older clients read.")
    ] = False

    body_limit: Annotated[
        int, about(LIMITS, "The largest request body that is read, in bytes.", ge=1024, le=1 << 30)
    ] = 1 << 20
    header_timeout: Annotated[
        float,
        about(
            LIMITS,
            "After how many seconds a connection is closed that has sent no whole request head: a slow client's, or a "
            "kept one with nothing to ask.",
            gt=0,
            le=3600,
        ),
    ] = 30

    image_sources: Annotated[
        Literal["public", "any"],
        about(
            LIMITS,
            "Where tenants may let images be fetched from: public addresses only, or any that the server can reach but "
            "link-local ones, which opens the server's own network to them.",
        ),
    ] = "public"
    subscribers: Annotated[
        Literal["public", "any"],
        about(
            LIMITS,
            "Where tenants may let the audit log be sent: to public addresses only, or to any that the server can "
            "reach but link-local ones, which opens the server's own network to them.",
        ),
    ] = "public"
    image_limit: Annotated[int, about(LIMITS, "The largest image that is fetched, in GiB.", ge=1, le=65536)] = 64
    image_timeout: Annotated[
        float, about(LIMITS, "After how many seconds fetching an image is given up.", gt=0, le=86400)
    ] = 3600

    @property
    def address(self) -> str:
        """Where clients reach the server, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.rstrip("/") or f"http://{host}:{self.port}"

    def __repr__(self) -> str:
        """Show everything but secrets."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.without_secrets().items())})"

    def without_secrets(self) -> dict[str, Any]:
        """Every setting's value, fit to be seen: the API key and the database's password are left out."""
        values = {setting.name: getattr(self, setting.name) for setting in SETTINGS}
        values["data"] = str(self.data)
        values["api_key"] = HIDDEN if self.api_key else ""
        values["database"] = _without_password(self.database)
        return values


class Setting(Struct, frozen=True, kw_only=True):
    """One row of the reference: a setting as people see it."""

    name: str
    kind: Any
    default: Any
    default_shown: str
    help: str
    section: str
    wants: str
    secret: bool

    @property
    def flag(self) -> str:
        """Its command-line option."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"PILEUS_{self.name.upper()}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values it may have, if it has such."""
        plain = get_args(self.kind)[0]
        return get_args(plain) if plain not in (str, int, float, bool, Path) else ()

    @property
    def plain(self) -> type:
        """What it is in Python, its limits apart."""
        kind: type = str if self.choices else get_args(self.kind)[0]
        return kind


class SettingSource(Struct, frozen=True):
    """A value as somebody gave it, and where."""

    value: Any
    origin: str
    typed: bool = False


def load(flags: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Settle what all sources say; a flag of None was not given, and neither was an empty variable."""
    return settle(gather(flags, environ, config))


def gather(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: Path | None = None
) -> dict[str, SettingSource]:
    """Collect what was given, the strongest source of each setting; defaults are not among it."""
    named = config or (Path(environ["PILEUS_CONFIG"]) if environ.get("PILEUS_CONFIG") else None)
    found = _from_file(named.expanduser()) if named else {}
    for setting in SETTINGS:
        if environ.get(setting.variable):
            found[setting.name] = SettingSource(environ[setting.variable], setting.variable)
        if flags.get(setting.name) is not None:
            found[setting.name] = SettingSource(flags[setting.name], setting.flag)
    return found


def settle(given: Mapping[str, SettingSource]) -> Settings:
    """Check and convert what was given; whatever was not has its default."""
    rows = {setting.name: setting for setting in SETTINGS}
    return Settings(**{name: _converted(rows[name], one) for name, one in given.items()})


def _from_file(path: Path) -> dict[str, SettingSource]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise SettingError(f"{path}: the settings cannot be read: {reason}") from None
    except tomllib.TOMLDecodeError as failure:
        raise SettingError(f"{path}: not TOML: {failure}") from None
    for key in content:
        _known(key, path)
    return {key: SettingSource(value, str(path), typed=True) for key, value in content.items()}


def _known(key: str, path: Path) -> None:
    names = [setting.name for setting in SETTINGS]
    if key not in names:
        near = get_close_matches(key.replace("-", "_").lower(), names, n=1, cutoff=0.7)
        hint = f"did you mean {near[0]}?" if near else "`pileus settings` lists them all"
        raise SettingError(f"{path}: there is no setting {key}; {hint}")


def _converted(setting: Setting, given: SettingSource) -> Any:
    try:
        return msgspec.convert(given.value, setting.kind, strict=given.typed, dec_hook=_path)
    except (msgspec.ValidationError, ValueError):
        seen = "" if setting.secret else f", not {given.value!r}"
        raise SettingError(f"{given.origin}: the setting {setting.name} wants {setting.wants}{seen}") from None


def _path(kind: type, value: Any) -> Path:
    if kind is not Path or not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(value)
    return Path(value).expanduser()


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    # A password with a slash in it is not seen as one: then nothing is shown.
    if url.count("@") != parts.netloc.count("@"):
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = HIDDEN if "password" in parts.query.lower() else parts.query
    return urlunsplit(parts._replace(netloc=f"{name}{colon and ':' + HIDDEN}{at}{host}", query=query))


def _wants(kind: Any, meta: Meta) -> str:
    plain = get_args(kind)[0]
    if plain is bool:
        return "true or false"
    if plain in (int, float):
        noun = "a whole number" if plain is int else "a number"
        return (
            f"{noun} above {meta.gt}, at most {meta.le}" if meta.ge is None else f"{noun} from {meta.ge} to {meta.le}"
        )
    return "one of " + ", ".join(get_args(plain)) if get_args(plain) else "some text"


def _row(found: msgspec.structs.FieldInfo) -> Setting:
    meta = get_args(found.type)[1]
    extra = meta.extra
    default = found.default_factory() if found.default is NODEFAULT else found.default
    written = str(default).lower() if isinstance(default, bool) else str(default)
    return Setting(
        name=found.name,
        kind=found.type,
        default=default,
        default_shown=extra["shown"] or written,
        help=meta.description,
        section=extra["section"],
        wants=extra["wants"] or _wants(found.type, meta),
        secret=extra["secret"],
    )


SETTINGS: tuple[Setting, ...] = tuple(_row(found) for found in msgspec.structs.fields(Settings))
