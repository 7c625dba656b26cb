"""What a command answers: the resources of a response, or what the tasks of a change have made."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from pileus.cli.api_client import ApiClient, ApiError
from pileus.cli.names import kind_of_parameter, resource_id, show_resource
from pileus.cli.output import print_record, show_table
from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.resource_methods import KindMethods, ResourceMethod, fill_path, load_method_table, methods_of

NOT_FOUND = 404
TASK_COLUMNS = ("id", "task_type", "state", "created")
Record = dict[str, Any]


def show_response(kind: ResourceKind, verb: str, response: Any, output: str) -> None:
    """Print the body of a response."""
    columns = kind.columns_of_verbs.get(verb, kind.columns)
    if response is None:
        click.echo("Done.", err=True)
    elif isinstance(response, str):
        click.echo(response, nl=False)
    elif isinstance(response, list):
        show_table(response, columns, output)
    elif isinstance(response.get("results"), list) and columns:
        show_table(response["results"], columns, output)
    else:
        _print_resource(kind, response, output)


def show_started_tasks(task_ids: Sequence[str], output: str) -> None:
    """Print the ids of tasks that go on."""
    if output != "table":
        show_table([{"id": task_id} for task_id in task_ids], ("id",), output)
        return
    lines = [f"Task {task_id} has started: pileus tasks wait {task_id}" for task_id in task_ids]
    click.echo("\n".join(lines) or "There was nothing to do.", err=not lines)


def show_ended_tasks(
    api: ApiClient, kind: ResourceKind, values: Mapping[str, Any], tasks: Sequence[Record], output: str
) -> None:
    """Print what tasks have made: the new resources, or the changed one. `values` are those of the request's path."""
    created = [id_ for task in tasks for id_ in _created_ids(kind, task)]
    subject = values.get(kind.id_parameter)
    if created:
        resources = _find_resources(api, kind, values, created)
    elif subject is not None and "show" in methods_of(kind.word):
        resources = _find_resources(api, kind, values, [subject])
    else:
        resources = []
    if len(resources) == 1:
        _print_resource(kind, resources[0], output)
    elif resources:
        show_table(resources, kind.columns, output)
    else:
        click.echo("Done." if tasks else "There was nothing to do.", err=True)


def task_row(task: Record) -> Record:
    """Return a task with its created resources as texts."""
    created_resources = task.get("created_resources") or {}
    return task | {"created": [f"{kind} {id_}" for kind, ids in created_resources.items() for id_ in ids or ()]}


def deprecated_fields(kind: ResourceKind) -> tuple[str, ...]:
    """Return the fields of a kind that only older clients need."""
    table: KindMethods = load_method_table().kinds[kind.word]
    return table.deprecated_fields


def _created_ids(kind: ResourceKind, task: Record) -> list[str]:
    created = (task.get("created_resources") or {}).get(kind.created_kind)
    # A task that attaches an interface names the port among its data.
    attached = (task.get("data") or {}).get(kind.id_field) if kind.id_field != "id" else None
    return [str(id_) for id_ in created or ([attached] if attached else ())]


def _find_resources(api: ApiClient, kind: ResourceKind, values: Mapping[str, Any], ids: Sequence[str]) -> list[Record]:
    """Return the resources with these ids that exist: a deleted one does not."""
    if _is_shown_by_id(kind):
        return [resource for id_ in ids for resource in _show_if_exists(api, kind, id_)]
    candidates = _list_siblings(api, kind, values)
    return [resource for resource in candidates if str(resource_id(kind, resource)) in ids]


def _is_shown_by_id(kind: ResourceKind) -> bool:
    """Return whether a resource can be shown by its id, without that of its parent."""
    method: ResourceMethod | None = methods_of(kind.word).get("show")
    return method is not None and sum(parameter.location == "path" for parameter in method.parameters) == 1


def _show_if_exists(api: ApiClient, kind: ResourceKind, id_: str) -> list[Record]:
    try:
        return [show_resource(api, kind, id_)]
    except ApiError as error:
        if error.response.status_code == NOT_FOUND:
            return []
        raise


def _list_siblings(api: ApiClient, kind: ResourceKind, values: Mapping[str, Any]) -> list[Record]:
    """Return all resources of a kind that has no request for one: from the list or from the parent."""
    methods: Mapping[str, ResourceMethod] = methods_of(kind.word)
    if "list" in methods:
        return api.list_all(fill_path(methods["list"].path, values))
    for name, value in values.items():
        parent = kind_of_parameter(kind, name)
        if parent is not None and parent.word != kind.word:
            siblings: list[Record] = show_resource(api, RESOURCE_KINDS[parent.word], value)[kind.parent_field]
            return siblings
    return []


def _print_resource(kind: ResourceKind, resource: Record, output: str) -> None:
    print_record(resource, output, hidden=deprecated_fields(kind))
