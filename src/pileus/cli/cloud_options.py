"""The options that say which cloud a command uses."""

from collections.abc import Callable, MutableMapping
from collections.abc import Set as AbstractSet
from typing import Any

import click
from click.shell_completion import CompletionItem

from pileus.cli.api_client import ApiClient
from pileus.cli.clouds import KEY_VARIABLE, PROJECT_VARIABLE, REGION_VARIABLE, URL_VARIABLE
from pileus.cli.commands import CLOUD_SECTION, SectionOption
from pileus.cli.connections import CloudConnection, resolve_connection
from pileus.cli.contexts import CONTEXT_VARIABLE, load_contexts

NAMES = ("url", "key", "project", "region", "context")
PREFIX = "cloud_"
Function = Callable[..., Any]


def cloud_options(taken_flags: AbstractSet[str] = frozenset(), names: tuple[str, ...] = NAMES) -> list[click.Option]:
    """Return the options for the server, the key, project and region. A taken flag gets the prefix `cloud-`."""
    texts = {
        "url": ("URL", f"The address of the API.  [{URL_VARIABLE}]"),
        "key": ("TOKEN", f"An API key.  [{KEY_VARIABLE}]"),
        "project": ("ID", f"The id of the project.  [{PROJECT_VARIABLE}]"),
        "region": ("ID", f"The id of the region.  [{REGION_VARIABLE}]"),
        "context": ("NAME", f"A context, in the place of variables: see `pileus context`.  [{CONTEXT_VARIABLE}]"),
    }

    # `images upload` has a `--url` of its own.
    def option(name: str) -> click.Option:
        metavar, text = texts[name]
        flag = f"--cloud-{name}" if f"--{name}" in taken_flags else f"--{name}"
        return SectionOption(
            [flag, f"{PREFIX}{name}"],
            type=int if metavar == "ID" else str,
            metavar=metavar,
            help=text,
            section=CLOUD_SECTION,
            shell_complete=complete_contexts if name == "context" else None,
        )

    return [option(name) for name in names]


def add_cloud_options(function: Function, names: tuple[str, ...] = NAMES) -> Function:
    """Add the options for the cloud to a command; `pop_connection` reads them."""
    for option in reversed(cloud_options(names=names)):
        parameters = getattr(function, "__click_params__", [])
        parameters.append(option)
        function.__click_params__ = parameters  # type: ignore[attr-defined]  # where click's decorators keep options
    return function


def pop_connection(options: MutableMapping[str, Any]) -> CloudConnection:
    """Remove the options for the cloud, and return the connection that they and the environment describe."""
    return resolve_connection(**{name: options.pop(f"{PREFIX}{name}", None) for name in NAMES})


def pop_api_client(options: MutableMapping[str, Any], **settings: Any) -> ApiClient:
    """Remove the options for the cloud, and return a client of it."""
    return ApiClient(pop_connection(options), **settings)


def complete_contexts(_: click.Context, __: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Return the contexts whose names begin with a prefix."""
    contexts = load_contexts().contexts
    return [CompletionItem(name, help=contexts[name].url) for name in contexts if name.startswith(prefix)]
