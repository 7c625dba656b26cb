"""Commands of resources, made from the table of operations."""

from collections.abc import Callable
from typing import Any

import click

from pileus.cli.api_client import ApiClient, ApiError
from pileus.cli.cloud_options import cloud_options, pop_api_client
from pileus.cli.commands import SectionedCommand
from pileus.cli.names import list_resources
from pileus.cli.output import output_options
from pileus.cli.resource_arguments import ApiRequest, build_request, check_variant, find_subject, make_option
from pileus.cli.resource_kinds import ResourceKind
from pileus.cli.resource_methods import ResourceMethod, load_method_table, methods_of
from pileus.cli.resource_results import show_ended_tasks, show_response, show_started_tasks
from pileus.cli.suggestions import suggest_text
from pileus.cli.task_progress import wait_for_tasks
from pileus.cli.value_completion import complete_columns, value_kind_of, value_of

MAX_SHORT_HELP = 85
WAIT = click.Option(
    ["--wait/--no-wait", "is_waiting"],
    default=True,
    help="Wait for the tasks and print what they have created (the default), or print the tasks only.",
)


def make_resource_command(
    kind: ResourceKind, verb: str, show: Callable[[ResourceKind, str, Any, str], None] = show_response
) -> SectionedCommand:
    """Make the command of a kind of resource for a verb; `show` prints its answer."""
    method = methods_of(kind.word)[verb]
    # The resource is the command's argument, everything else is an option.
    subject = find_subject(method)

    def run(**options: Any) -> None:
        check_variant(method, options)
        api = pop_api_client(options)
        output, is_waiting = options.pop("output"), options.pop("is_waiting", True)
        request = build_request(api, kind, method, options)
        response = _send(api, kind, method, request, options)
        if method.result == "tasks":
            _show_tasks(api, kind, request, response["tasks"] or [], output, is_waiting=is_waiting)
        else:
            show(kind, verb, response, output)

    options = [make_option(parameter, kind, is_subject=parameter is subject) for parameter in method.parameters]
    reserved = cloud_options({parameter.flag for parameter in method.parameters})
    formats = output_options(
        complete_columns(kind.columns_of_verbs.get(verb) or load_method_table().kinds[kind.word].fields)
    )
    return SectionedCommand(
        verb,
        callback=run,
        params=[*options, *reserved, *([WAIT] if method.result == "tasks" else []), *formats],
        help=method.help,
        short_help=_shorten(method.help),
        examples=[example for example in kind.examples if f" {verb} " in f"{example[1]} "],
    )


def _send(
    api: ApiClient, kind: ResourceKind, method: ResourceMethod, request: ApiRequest, options: dict[str, Any]
) -> Any:
    """Send a request and return the answer, with the results of all pages unless the options choose some."""
    has_pages = method.result == "list" and any(parameter.name == "offset" for parameter in method.parameters)
    try:
        if has_pages and options.get("limit") is None and options.get("offset") is None:
            return api.read_pages(request.method, request.path, request.query, request.body)
        return api.call(request.method, request.path, query=request.query, body=request.body)
    except ApiError as error:
        hint = _hint_of_values(api, kind, options)
        raise ApiError(f"{error.message}{hint}", error.response) from None


def _hint_of_values(api: ApiClient, kind: ResourceKind, options: dict[str, Any]) -> str:
    """Return which values a refused request may have meant, for parameters whose values can be listed."""
    for name, value in options.items():
        value_kind = value_kind_of(kind, name)
        if value_kind is None or not isinstance(value, str):
            continue
        try:
            known = {value_of(value_kind, resource) for resource in list_resources(api, value_kind)}
        except click.ClickException:
            continue
        if value not in known and (hint := suggest_text(value, known)):
            return f" (--{name.replace('_', '-')} {value}:{hint})"
    return ""


def _show_tasks(
    api: ApiClient, kind: ResourceKind, request: ApiRequest, task_ids: list[str], output: str, *, is_waiting: bool
) -> None:
    if is_waiting:
        show_ended_tasks(api, kind, request.path_values, wait_for_tasks(api, task_ids), output)
    else:
        show_started_tasks(task_ids, output)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHORT_HELP else f"{text[:MAX_SHORT_HELP]}…"
