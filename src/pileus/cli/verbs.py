"""Commands made from the official client's methods: what each asks for, does, and prints."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import cache
from operator import attrgetter
from typing import Any

import click
from click.shell_completion import CompletionItem

from pileus.cli.clouds import KEY_VARIABLE, REGION_VARIABLE, URL, URL_VARIABLE
from pileus.cli.formatting import Command, SectionOption
from pileus.cli.names import identity, noun_of_parameter, resolve_names
from pileus.cli.nouns import Noun
from pileus.cli.output import show, show_one
from pileus.cli.session import Session, sdk
from pileus.cli.signatures import Parameter, parameters, shortened, summary
from pileus.cli.task_progress import wait

NAMES = {"get": "show", "get_all": "list"}
ACTIONS = {
    "start": "Turn it on.",
    "stop": "Turn it off.",
    "reboot": "Restart it, as its own system would.",
    "reboot_hard": "Restart it by its power.",
    "suspend": "Halt it where it is, and keep its memory.",
    "resume": "Let it go on where it was suspended.",
}
CLOUD = "Which cloud"
MOST_OFFERED, SHORT = 100, 85


@cache
def verbs(noun: Noun) -> dict[str, tuple[str, dict[str, Any]]]:
    """The commands of a noun: the client's method of each, and what it is always told."""
    resource = attrgetter(noun.path)(_client().cloud)
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name in dir(resource):
        if name.startswith(("_", "with_")) or name.endswith("_and_poll") or name == "poll":
            continue
        if name == "action":
            found |= {action.replace("_", "-"): (name, {"action": action}) for action in ACTIONS}
        elif callable(getattr(resource, name)):
            found[NAMES.get(name, name.removeprefix("get_").replace("_", "-"))] = (name, {})
    first = [name for name in ("list", "show", "create", "update", "delete") if name in found]
    return {name: found[name] for name in [*first, *sorted(found.keys() - set(first))]}


def command(noun: Noun, verb: str) -> Command:
    """The command of a noun that has this name."""
    method_name, fixed = verbs(noun)[verb]
    method = getattr(attrgetter(noun.path)(_client().cloud), method_name)
    takes = [each for each in parameters(method, noun.identity) if each.name not in fixed]
    # The thing itself stands after the verb, everything else is an option.
    subject = next((each for each in takes if each.in_path), None)
    starts_tasks = "TaskIDList" in str(method.__annotations__.get("return"))

    def run(**given: Any) -> None:
        session = asked_for(given)
        output, waits = given.pop("output"), given.pop("wait", False)
        read = {each.name: each.read(given[each.name]) for each in takes if given[each.name] not in (None, ())}
        asked = {name: resolve_names(session, noun, name, value) for name, value in read.items()}
        if subject is not None and subject.kind is click.INT:
            asked[subject.name] = int(asked[subject.name])
        answer = session.call(f"{noun.path}.{method_name}", **asked, **fixed)
        if starts_tasks:
            _tell_tasks(session, answer, output, waits=waits)
        else:
            _tell(session, noun, answer, output, paged="limit" not in asked)

    told = ACTIONS[fixed["action"]] if fixed else summary(method) or noun.help
    options = [_option(each, noun, is_subject=each is subject) for each in takes]
    return Command(
        verb,
        callback=run,
        params=[*options, *cloud_options({each.flag for each in takes}), *([WAIT] if starts_tasks else []), OUTPUT],
        help=told,
        short_help=shortened(told, SHORT),
        examples=[each for each in noun.examples if f" {verb} " in f"{each[1]} "],
    )


@cache
def _client() -> Any:
    """A client that asks nobody: only what it can do is looked at."""
    return sdk().Gcore(api_key="-", base_url=URL, cloud_project_id=0, cloud_region_id=0)


def asked_for(given: dict[str, Any]) -> Session:
    """The session that a command's options ask for; they are taken from what was given."""
    return Session(*(given.pop(name, None) for name in ("cloud_url", "cloud_key", "cloud_project", "cloud_region")))


def _option(each: Parameter, noun: Noun, *, is_subject: bool) -> click.Parameter:
    if is_subject:
        itself = each.name == noun.identity
        # It can be given by its name, even where its id is a number.
        kind = click.STRING if itself else each.kind
        complete = _completion(noun) if itself else None
        return click.Argument([each.name], type=kind, metavar=each.name.upper(), shell_complete=complete)
    flag = isinstance(each.kind, click.types.BoolParamType)
    return click.Option(
        [each.flag, each.name],
        type=None if flag else each.kind,
        is_flag=flag,
        default=None,
        multiple=each.several,
        required=each.required,
        metavar="ID|NAME" if noun_of_parameter(noun, each.name) and each.kind is click.STRING else None,
        help=each.help or each.name.replace("_", " ").capitalize(),
    )


def cloud_options(taken: AbstractSet[str] = frozenset()) -> list[click.Option]:
    """The options that say which cloud is meant, and who asks; not by flags that are taken."""

    # An image has an address of its own.
    def option(flag: str, name: str, variable: str, text: str, **more: Any) -> click.Option:
        told = f"{text}  [{variable}]"
        flag = flag.replace("--", "--cloud-") if flag in taken else flag
        return SectionOption([flag, name], envvar=variable, help=told, section=CLOUD, **more)

    return [
        option("--url", "cloud_url", URL_VARIABLE, "Where it is.", default=URL, metavar="URL"),
        option("--key", "cloud_key", KEY_VARIABLE, "An API key.", metavar="TOKEN"),
        option("--project", "cloud_project", "GCORE_CLOUD_PROJECT_ID", "The project's number.", default=1, type=int),
        option("--region", "cloud_region", REGION_VARIABLE, "The region's number.", default=1, type=int),
    ]


WAIT = click.Option(["--wait"], is_flag=True, help="Wait until it is done, and fail if that fails.")
OUTPUT = click.Option(
    ["--output", "-o"],
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    help="A table for people (the default), JSON or YAML for programs.",
)


def _completion(noun: Noun) -> Callable[..., list[CompletionItem]]:
    """Offer the ids of what there is, with their names."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            found = asked_for(dict(ctx.params)).every(f"{noun.path}.list")
        except click.ClickException:
            return []
        offered = [(str(identity(noun, thing)), str(getattr(thing, "name", ""))) for thing in found]
        return [
            CompletionItem(each, help=name)
            for each, name in offered[:MOST_OFFERED]
            if each.startswith(begun) or name.startswith(begun)
        ]

    return complete


def _tell_tasks(session: Session, answer: Any, output: str, *, waits: bool) -> None:
    ids = list(answer.tasks or ())
    if waits:
        show([_task(task) for task in wait(session, ids)], ("task_type", "state", "created", "id"), output, NOTHING)
    elif output != "table":
        show([{"id": each} for each in ids], ("id",), output)
    else:
        click.echo("\n".join(f"Task {each} has started: pileus tasks show {each}" for each in ids) or NOTHING)


NOTHING = "There was nothing to do."


def _task(task: Any) -> dict[str, Any]:
    facts = _plain(task)
    made = facts.get("created_resources") or {}
    return facts | {"created": [f"{kind} {each}" for kind, ids in made.items() for each in ids or ()]}


def _tell(session: Session, noun: Noun, answer: Any, output: str, *, paged: bool) -> None:
    if answer is None:
        click.echo("Done.")
    elif isinstance(answer, str | bytes):
        click.echo(answer, nl=False)
    elif hasattr(answer, "results"):
        found = session.things(answer) if paged else answer.results
        show([_plain(thing) for thing in found], noun.columns, output)
    else:
        show_one(_plain(answer), output)


def _plain(thing: Any) -> dict[str, Any]:
    return dict(thing.to_dict(mode="json"))
