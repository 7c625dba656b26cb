"""Which server a command uses, as whom, and what said so: an option, a variable, a context or the running server."""

import os

from msgspec import Struct

from pileus.cli.clouds import KEY_VARIABLE, PROJECT_VARIABLE, REGION_VARIABLE, URL, URL_VARIABLE
from pileus.cli.commands import CommandError, UsageError
from pileus.cli.contexts import CONTEXT_VARIABLE, CloudContext, load_contexts
from pileus.running_servers import RunningServer, list_running_servers

DEFAULT_ID = 1
VARIABLES = {"url": URL_VARIABLE, "key": KEY_VARIABLE, "project": PROJECT_VARIABLE, "region": REGION_VARIABLE}
Values = dict[str, tuple[str | int, str]]
"""Values of a connection with their origins."""
OPTIONS = {"url": "--url", "key": "--key", "project": "--project", "region": "--region"}


class CloudConnection(Struct, frozen=True, kw_only=True):
    """A server, a key, a project and a region. The origins are texts for errors."""

    url: str
    key: str | None
    project: int
    region: int
    url_origin: str
    key_origin: str

    @property
    def place(self) -> str:
        """The address and its origin."""
        return f"{self.url} ({self.url_origin})"

    def require_key(self) -> str:
        """Return the key if it can be sent in a header. Raises UsageError."""
        if self.key and self.key.isascii() and self.key.isprintable():
            return self.key
        problem = f"the key of {self.key_origin} cannot be one" if self.key else "no API key"
        raise UsageError(
            f"{problem}: set {KEY_VARIABLE} as `pileus serve` prints it, or give one with --key;"
            f" the server is {self.place}"
        )


def resolve_connection(
    *,
    url: str | None = None,
    key: str | None = None,
    project: int | None = None,
    region: int | None = None,
    context: str | None = None,
) -> CloudConnection:
    """Return the connection that options, variables, contexts and running servers describe, in this order.

    What a context or a running server says is used only if its address is used, so that a key never goes to another
    server. A context that is named by an option or a variable replaces the variables of the official clients.
    """
    options = {"url": url, "key": key, "project": project, "region": region}
    given = {name: (value, OPTIONS[name]) for name, value in options.items() if value is not None}
    context_name = context or os.environ.get(CONTEXT_VARIABLE)
    if context_name:
        origin = "--context" if context else CONTEXT_VARIABLE
        stored = _context_values(context_name, load_contexts().require_context(context_name), origin)
    else:
        given = _variable_values() | given
        stored = {} if "url" in given else _local_values()
    if "url" in given and given["url"][0] != stored.get("url", ("",))[0]:
        stored = {}
    return _make_connection(stored | given)


def _make_connection(values: Values) -> CloudConnection:
    url, url_origin = values.get("url", (URL, "the default address"))
    key, key_origin = values.get("key", (None, ""))
    return CloudConnection(
        url=str(url).rstrip("/"),
        key=None if key is None else str(key),
        project=_read_number(values, "project"),
        region=_read_number(values, "region"),
        url_origin=url_origin,
        key_origin=key_origin,
    )


def _read_number(values: Values, name: str) -> int:
    value, origin = values.get(name, (DEFAULT_ID, ""))
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"{origin} is not the id of a {name}: {value}") from None


def _variable_values() -> Values:
    return {name: (os.environ[variable], variable) for name, variable in VARIABLES.items() if os.environ.get(variable)}


def _local_values() -> Values:
    """Return what the context in use says, or else the only server that runs on this machine. Raises CommandError."""
    contexts = load_contexts()
    if contexts.current is not None and contexts.current in contexts.contexts:
        return _context_values(contexts.current, contexts.contexts[contexts.current], "")
    servers = list_running_servers()
    if len(servers) > 1:
        places = ", ".join(server.url for server in servers)
        raise CommandError(f"Several servers run on this machine: name one with --url or --context ({places}).")
    return _server_values(servers[0]) if servers else {}


def _context_values(name: str, context: CloudContext, named_by: str) -> Values:
    origin = f"the context {name}" + (f" of {named_by}" if named_by else "")
    return {field: (getattr(context, field), origin) for field in VARIABLES}


def _server_values(server: RunningServer) -> Values:
    origin = f"the running server in {server.data}"
    key = server.read_key()
    values: Values = {"url": (server.url, origin)}
    return values | {"key": (key, origin)} if key else values
