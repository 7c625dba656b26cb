"""Completion of values by the shell: names of resources, flavors, types of tasks, columns and keys of objects.

A completion that fails offers nothing, and waits for no server longer than a moment.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import click
from click.shell_completion import CompletionItem

from pileus.cli.cloud_options import pop_api_client
from pileus.cli.names import kind_of_parameter, list_resources, resource_id
from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.resource_methods import load_method_table, methods_of

TIMEOUT = 2.0
MAX_COMPLETIONS = 200
VALUES_OF_KINDS = {"flavor": "flavors", "flavor_id": "flavors", "ssh_key_name": "ssh-keys", "keypair_name": "ssh-keys"}
"""Parameters whose values are the ids or names of a kind, but are sent as they are."""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_value(kind: ResourceKind) -> Complete:
    """Return a completion of the values of a parameter of a command."""

    def complete(ctx: click.Context, parameter: click.Parameter, prefix: str) -> list[CompletionItem]:
        name = parameter.name or ""
        if name == "task_type":
            return complete_task_types(ctx, parameter, prefix)
        if name in VALUES_OF_KINDS:
            return _matching(_offer_values(ctx, _kind_of_values(kind, name)), prefix)
        referenced = kind_of_parameter(kind, name) or kind_of_parameter(kind, name.removesuffix("s"))
        if referenced is None or "list" not in methods_of(referenced.word):
            return []
        return _matching(_offer_resources(ctx, referenced), prefix)

    return complete


def complete_columns(fields: Iterable[str]) -> Complete:
    """Return a completion of the last of several columns, separated by commas."""

    def complete(_: click.Context, __: click.Parameter, prefix: str) -> list[CompletionItem]:
        before, comma, last = prefix.rpartition(",")
        return [CompletionItem(f"{before}{comma}{field}") for field in fields if field.startswith(last)]

    return complete


def complete_task_types(_: click.Context, __: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Return the types of tasks that begin with a prefix."""
    return [CompletionItem(name) for name in load_method_table().task_types if name.startswith(prefix)]


def complete_flavors(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Return the flavors that begin with a prefix."""
    return _matching(_offer_values(ctx, RESOURCE_KINDS["flavors"]), prefix)


def complete_instances(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Return the instances whose id or name begins with a prefix."""
    return _matching(_offer_resources(ctx, RESOURCE_KINDS["instances"]), prefix)


def complete_open_tasks(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Return the tasks that have not ended."""
    try:
        with closing(pop_api_client(dict(ctx.params), timeout=TIMEOUT)) as api:
            tasks = api.list_all("/cloud/v1/tasks", {"state": ["NEW", "RUNNING"]})
    except click.ClickException:
        return []
    return _matching(((task["id"], task["task_type"]) for task in tasks), prefix)


def value_kind_of(kind: ResourceKind, parameter: str) -> ResourceKind | None:
    """Return the kind whose ids or names are the values of a parameter that is sent as it is."""
    return _kind_of_values(kind, parameter) if parameter in VALUES_OF_KINDS else None


def value_of(kind: ResourceKind, resource: dict[str, Any]) -> str:
    """Return what stands for a resource in such a parameter."""
    return str(resource["name"] if kind.word == "ssh-keys" else resource_id(kind, resource))


def _kind_of_values(kind: ResourceKind, parameter: str) -> ResourceKind:
    word = VALUES_OF_KINDS[parameter]
    return RESOURCE_KINDS.get(f"{kind.word}-{word}", RESOURCE_KINDS[word])


def _offer_values(ctx: click.Context, kind: ResourceKind) -> Iterator[tuple[str, str]]:
    for resource in _list(ctx, kind):
        yield value_of(kind, resource), ""


def _offer_resources(ctx: click.Context, kind: ResourceKind) -> Iterator[tuple[str, str]]:
    """Yield names with ids as help; a name that several have, or that is missing, is not enough: then ids."""
    resources = _list(ctx, kind)
    names = [str(resource.get("name") or "") for resource in resources]
    for name, resource in zip(names, resources, strict=True):
        id_text = str(resource_id(kind, resource))
        yield (name, id_text) if name and names.count(name) == 1 and " " not in name else (id_text, name)


def _list(ctx: click.Context, kind: ResourceKind) -> list[dict[str, Any]]:
    try:
        with closing(pop_api_client(dict(ctx.params), timeout=TIMEOUT)) as api:
            return list_resources(api, kind)
    except click.ClickException:
        return []


def _matching(values: Iterable[tuple[str, str]], prefix: str) -> list[CompletionItem]:
    items = [
        CompletionItem(value if value.startswith(prefix) else other, help=other if value.startswith(prefix) else value)
        for value, other in values
        if value.startswith(prefix) or (prefix and other.startswith(prefix))
    ]
    return items[:MAX_COMPLETIONS]
