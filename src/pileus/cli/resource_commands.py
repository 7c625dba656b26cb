"""Commands generated from the official client's methods."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from operator import attrgetter
from typing import Any

import click
from click.shell_completion import CompletionItem

from pileus.cli.clouds import KEY_VARIABLE, REGION_VARIABLE, URL, URL_VARIABLE
from pileus.cli.commands import SectionedCommand, SectionOption
from pileus.cli.names import kind_of_parameter, resolve_names, resource_id
from pileus.cli.output import print_record, show_table
from pileus.cli.resource_kinds import ResourceKind
from pileus.cli.session import SdkSession, import_sdk
from pileus.cli.signatures import MethodParameter, method_parameters, method_summary, shorten
from pileus.cli.task_progress import wait_for_tasks

VERB_NAMES = {"get": "show", "get_all": "list"}
POWER_ACTIONS = {
    "start": "Power it on.",
    "stop": "Power it off.",
    "reboot": "Reboot its operating system.",
    "reboot_hard": "Power-cycle it.",
    "suspend": "Suspend it and keep its memory.",
    "resume": "Resume it after a suspension.",
}
CLOUD_SECTION = "Cloud"
MAX_COMPLETIONS, MAX_SHORT_HELP = 100, 85


@cache
def methods_by_verb(kind: ResourceKind) -> dict[str, tuple[str, dict[str, Any]]]:
    """Map the verbs of a kind of resource to the client's methods, each with its fixed arguments."""
    resource = attrgetter(kind.path)(_offline_client().cloud)
    methods: dict[str, tuple[str, dict[str, Any]]] = {}
    for name in dir(resource):
        if name.startswith(("_", "with_")) or name.endswith("_and_poll") or name == "poll":
            continue
        if name == "action":
            methods |= {action.replace("_", "-"): (name, {"action": action}) for action in POWER_ACTIONS}
        elif callable(getattr(resource, name)):
            methods[VERB_NAMES.get(name, name.removeprefix("get_").replace("_", "-"))] = (name, {})
    first_verbs = [name for name in ("list", "show", "create", "update", "delete") if name in methods]
    return {name: methods[name] for name in [*first_verbs, *sorted(methods.keys() - set(first_verbs))]}


def make_resource_command(kind: ResourceKind, verb: str) -> SectionedCommand:
    """Make the command of a kind of resource for a verb."""
    method_name, fixed = methods_by_verb(kind)[verb]
    method = getattr(attrgetter(kind.path)(_offline_client().cloud), method_name)
    takes = [parameter for parameter in method_parameters(method, kind.id_parameter) if parameter.name not in fixed]
    # The resource is the command's argument, everything else is an option.
    subject = next((parameter for parameter in takes if parameter.is_positional), None)
    starts_tasks = "TaskIDList" in str(method.__annotations__.get("return"))

    def run(**options: Any) -> None:
        session = session_from_options(options)
        output, is_waiting = options.pop("output"), options.pop("wait", False)
        arguments = _read_arguments(session, kind, takes, subject, options)
        response = session.call_method(f"{kind.path}.{method_name}", **arguments, **fixed)
        if starts_tasks:
            _show_tasks(session, response, output, is_waiting=is_waiting)
        else:
            _show_response(session, kind, response, output, all_pages="limit" not in arguments)

    help_text = POWER_ACTIONS[fixed["action"]] if fixed else method_summary(method) or kind.help
    options = [_make_option(parameter, kind, is_subject=parameter is subject) for parameter in takes]
    reserved = cloud_options({parameter.flag for parameter in takes})
    return SectionedCommand(
        verb,
        callback=run,
        params=[*options, *reserved, *([WAIT] if starts_tasks else []), OUTPUT],
        help=help_text,
        short_help=shorten(help_text, MAX_SHORT_HELP),
        examples=[example for example in kind.examples if f" {verb} " in f"{example[1]} "],
    )


def _read_arguments(
    session: SdkSession,
    kind: ResourceKind,
    takes: Sequence[MethodParameter],
    subject: MethodParameter | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments of the client's method: converted, with ids in the place of names."""
    given = [parameter for parameter in takes if options[parameter.name] not in (None, ())]
    converted = {parameter.name: parameter.convert(options[parameter.name]) for parameter in given}
    arguments = {name: resolve_names(session, kind, name, value) for name, value in converted.items()}
    if subject is not None and subject.param_type is click.INT:
        arguments[subject.name] = int(arguments[subject.name])
    return arguments


@cache
def _offline_client() -> Any:
    """Return a client to read method signatures from. It sends no requests."""
    return import_sdk().Gcore(api_key="-", base_url=URL, cloud_project_id=0, cloud_region_id=0)


def session_from_options(options: dict[str, Any]) -> SdkSession:
    """Open a session from the cloud options, which are removed from `options`."""
    return SdkSession(
        *(options.pop(name, None) for name in ("cloud_url", "cloud_key", "cloud_project", "cloud_region"))
    )


def _make_option(parameter: MethodParameter, kind: ResourceKind, *, is_subject: bool) -> click.Parameter:
    if is_subject:
        is_id = parameter.name == kind.id_parameter
        # A name is accepted too, even if the id is a number.
        param_type = click.STRING if is_id else parameter.param_type
        complete = _id_completion(kind) if is_id else None
        return click.Argument(
            [parameter.name], type=param_type, metavar=parameter.name.upper(), shell_complete=complete
        )
    is_flag = isinstance(parameter.param_type, click.types.BoolParamType)
    return click.Option(
        [parameter.flag, parameter.name],
        type=None if is_flag else parameter.param_type,
        is_flag=is_flag,
        default=None,
        multiple=parameter.is_multiple,
        required=parameter.is_required,
        metavar="ID|NAME" if kind_of_parameter(kind, parameter.name) and parameter.param_type is click.STRING else None,
        help=parameter.help or parameter.name.replace("_", " ").capitalize(),
    )


def cloud_options(taken_flags: AbstractSet[str] = frozenset()) -> list[click.Option]:
    """Return the options for the cloud and the API key. A taken flag gets the prefix `cloud-`."""

    # `images upload` has a `--url` of its own.
    def option(flag: str, name: str, variable: str, text: str, **settings: Any) -> click.Option:
        flag = flag.replace("--", "--cloud-") if flag in taken_flags else flag
        help_text = f"{text}  [{variable}]"
        return SectionOption([flag, name], envvar=variable, help=help_text, section=CLOUD_SECTION, **settings)

    return [
        option("--url", "cloud_url", URL_VARIABLE, "The address of the API.", default=URL, metavar="URL"),
        option("--key", "cloud_key", KEY_VARIABLE, "An API key.", metavar="TOKEN"),
        option("--project", "cloud_project", "GCORE_CLOUD_PROJECT_ID", "The id of the project.", default=1, type=int),
        option("--region", "cloud_region", REGION_VARIABLE, "The id of the region.", default=1, type=int),
    ]


WAIT = click.Option(["--wait"], is_flag=True, help="Wait until the tasks have ended; exit with 1 if one fails.")
OUTPUT = click.Option(
    ["--output", "-o"],
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    help="A table for people (the default), JSON or YAML for programs.",
)


def _id_completion(kind: ResourceKind) -> Callable[..., list[CompletionItem]]:
    """Return a completion of the existing ids, with their names as help."""

    def complete(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
        try:
            resources = session_from_options(dict(ctx.params)).list_all(f"{kind.path}.list")
        except click.ClickException:
            return []
        names_by_id = [(str(resource_id(kind, resource)), str(getattr(resource, "name", ""))) for resource in resources]
        return [
            CompletionItem(id_text, help=name)
            for id_text, name in names_by_id[:MAX_COMPLETIONS]
            if id_text.startswith(prefix) or name.startswith(prefix)
        ]

    return complete


def _show_tasks(session: SdkSession, response: Any, output: str, *, is_waiting: bool) -> None:
    task_ids = list(response.tasks or ())
    if is_waiting:
        rows = [_task_row(task) for task in wait_for_tasks(session, task_ids)]
        show_table(rows, ("task_type", "state", "created", "id"), output, NOTHING_TO_DO)
    elif output != "table":
        show_table([{"id": task_id} for task_id in task_ids], ("id",), output)
    else:
        lines = [f"Task {task_id} has started: pileus tasks show {task_id}" for task_id in task_ids]
        click.echo("\n".join(lines) or NOTHING_TO_DO)


NOTHING_TO_DO = "There was nothing to do."


def _task_row(task: Any) -> dict[str, Any]:
    fields = _to_plain(task)
    created_resources = fields.get("created_resources") or {}
    return fields | {"created": [f"{kind} {id_}" for kind, ids in created_resources.items() for id_ in ids or ()]}


def _show_response(session: SdkSession, kind: ResourceKind, response: Any, output: str, *, all_pages: bool) -> None:
    if response is None:
        click.echo("Done.")
    elif isinstance(response, str | bytes):
        click.echo(response, nl=False)
    elif hasattr(response, "results"):
        resources = session.results_of_all_pages(response) if all_pages else response.results
        show_table([_to_plain(resource) for resource in resources], kind.columns, output)
    else:
        print_record(_to_plain(response), output)


def _to_plain(resource: Any) -> dict[str, Any]:
    return dict(resource.to_dict(mode="json"))
