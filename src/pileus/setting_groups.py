"""Groups of settings, which `Settings` inherits."""

from typing import Annotated, Literal

from msgspec import Struct

from pileus.setting_fields import ACCESS, CLIENT_TESTS, NETWORK, RETENTION, STORAGE, setting


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How many days the server keeps what only accumulates."""

    audit_log_days: Annotated[
        int,
        setting(
            RETENTION,
            "Days for which the audit log, ended DDoS alarms, and revoked and expired API keys are kept; 0 keeps them "
            "forever. Entries not yet delivered to a subscriber are kept longer.",
            ge=0,
            le=36500,
        ),
    ] = 90
    task_days: Annotated[
        int,
        setting(
            RETENTION, "Days for which tasks are kept after they have ended; 0 keeps them forever.", ge=0, le=36500
        ),
    ] = 30
    usage_days: Annotated[
        int,
        setting(
            RETENTION,
            "Days for which usage and deleted projects are kept, at least 62; 0 keeps them forever. Reports contain no "
            "usage from before.",
            ge=0,
            le=36500,
        ),
    ] = 400


class SeedSettings(RetentionSettings, frozen=True, kw_only=True):
    """What a start creates."""

    seed: Annotated[
        str,
        setting(
            STORAGE,
            "A YAML or TOML file of what should exist in the first project, by names; each start creates what is "
            "missing before the server is ready.",
            "a file",
        ),
    ] = ""
    start_scripts: Annotated[
        str,
        setting(
            STORAGE,
            "A directory of scripts (executable files, *.sh, *.py) and seed files that each start runs in the order of "
            "their names, with the variables of `pileus env`, before the server is announced as ready.",
            "a directory",
        ),
    ] = ""


class CellSettings(SeedSettings, frozen=True, kw_only=True):
    """The cell of the database: cells are databases that share a cloud's tenants, each with regions of its own."""

    cell: Annotated[
        int,
        setting(
            STORAGE,
            "The number of the cell of this server's database, which all new ids name. A database keeps the number of "
            "its first start.",
            ge=0,
            le=65535,
        ),
    ] = 0
    cells: Annotated[
        str,
        setting(
            STORAGE,
            "The servers of all cells, if the tenants of this cloud share several databases: the number of each cell "
            "and the address at which servers of other cells reach it.",
            "numbers and addresses such as 0=http://10.0.0.1:8080,1=http://10.0.1.1:8080",
            pattern=r"^([0-9]{1,5}=https?://[^\s/,=]+(,(?=[0-9])|$))*$",
        ),
    ] = ""
    tenants_database: Annotated[
        str,
        setting(
            STORAGE,
            "The database of cell 0, which has the tenants, for servers of other cells.",
            "an address such as postgresql://user:password@host/name, or the data directory of a server with SQLite",
            secret=True,
        ),
    ] = ""


class ControlSettings(CellSettings, frozen=True, kw_only=True):
    """Whether and how a simulated cloud can be controlled while it runs."""

    simulation_control: Annotated[
        Literal["auto", "on", "off"],
        setting(
            ACCESS,
            "Whether operators may control a simulated cloud while it runs: reset it, replace its state, inject faults "
            "of HTTP, read its requests, set its clock. auto is on if the server listens on loopback.",
        ),
    ] = "auto"


class ClientTestSettings(ControlSettings, frozen=True, kw_only=True):
    """What helps those who test clients."""

    strict: Annotated[
        bool,
        setting(
            CLIENT_TESTS,
            "Whether a request with fields or query parameters that its operation does not have gets 400, to find "
            "misspelled ones in tests. The public API ignores them.",
        ),
    ] = False
    request_log: Annotated[
        Literal["auto", "on", "off"],
        setting(
            CLIENT_TESTS,
            "Whether the server keeps the last requests and answers in memory, without secrets, for `pileus requests`. "
            "auto is on for simulated machines on loopback; other drivers have no request log. To read it, "
            "simulation_control must allow it.",
        ),
    ] = "auto"
    request_log_size: Annotated[
        int,
        setting(CLIENT_TESTS, "The most exchanges that a server process keeps in its request log.", ge=1, le=100_000),
    ] = 1000
    request_log_memory: Annotated[
        int, setting(CLIENT_TESTS, "Memory in MiB of a server process for its request log.", ge=1, le=1 << 16)
    ] = 16


class NetworkSettings(ClientTestSettings, frozen=True, kw_only=True):
    """Where the server listens, by how many processes, and what stands in front of it."""

    host: Annotated[str, setting(NETWORK, "The address to listen on.", "an address of this machine", min_length=1)] = (
        "127.0.0.1"
    )
    port: Annotated[int, setting(NETWORK, "The port to listen on.", ge=1, le=65535)] = 8080
    public_url: Annotated[
        str,
        setting(
            NETWORK,
            "The address at which clients reach the server, if it is not http://HOST:PORT; used in links.",
            "an address such as https://cloud.example.org",
            pattern=r"^(https?://[^\s/]+\S*)?$",
        ),
    ] = ""
    internal_url: Annotated[
        str,
        setting(
            NETWORK,
            "The address at which other servers of the same database reach this one, if it is not http://HOST:PORT.",
            "an address such as https://node-1.internal:8443",
            pattern=r"^(https?://[^\s/]+\S*)?$",
        ),
    ] = ""
    home_regions: Annotated[
        str,
        setting(
            NETWORK,
            "The regions whose machines are in the data directory of this server, where several servers share a "
            "database and a driver keeps machines in such a directory. Without it, the first server has all of them.",
            "none, or ids of regions separated by commas",
            pattern=r"^(none|([0-9]{1,18}(, ?(?=[0-9])|$))*)$",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        setting(
            NETWORK,
            "Reverse proxies whose headers X-Forwarded-For and X-Forwarded-Proto are used: addresses or networks, "
            "separated by commas. Others could claim any address.",
            "addresses or networks such as 127.0.0.1,10.0.0.0/8",
            pattern=r"^([0-9A-Fa-f.:]+(/[0-9]{1,3})?(, ?(?=.)|$))*$",
        ),
    ] = ""
    health_port: Annotated[
        int,
        setting(
            NETWORK,
            "A port for /healthz, /readyz, /startupz and /metrics that load on the other port cannot keep from "
            "answering; 0 for none.",
            ge=0,
            le=65535,
        ),
    ] = 0
    workers: Annotated[int, setting(NETWORK, "The number of server processes.", ge=1, le=256)] = 1
