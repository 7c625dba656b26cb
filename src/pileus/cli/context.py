"""`pileus context`: named servers, each with a key, a project and a region."""

from typing import Any

import click

from pileus.cli.api_client import ApiClient
from pileus.cli.cloud_options import cloud_options, complete_contexts, pop_connection
from pileus.cli.commands import LazySectionedGroup, SectionedCommand, UsageError
from pileus.cli.connections import CloudConnection, resolve_connection
from pileus.cli.contexts import CloudContext, load_contexts, save_contexts
from pileus.cli.output import add_output_option, print_record, show_table

COLUMNS = ("name", "url", "project", "region", "in_use")
VISIBLE_KEY_LENGTH = 4
"""Of a key only its beginning is shown, which is the number of the key."""
EXAMPLES = (
    ("Save the server and the key of this shell's variables, and use it", "pileus context create dev"),
    ("Save another server", "pileus context create lab --url https://cloud.example.org --key 7_abc --project 5"),
    ("Use it from now on, or in one command", "pileus context use lab && pileus instances list --context dev"),
    ("Show which server commands use now, and why", "pileus context show"),
    ("Forget a server", "pileus context delete lab"),
)
name_argument = click.argument("name", shell_complete=complete_contexts)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def context() -> None:
    """Save servers under names, and choose one.

    A context is the address of a server, a key, a project and a region. Commands use, in this order: their options,
    the context of --context or PILEUS_CONTEXT, the variables of the official clients (GCORE_BASE_URL and so on), the
    context in use, and the server that runs on this machine. The key of a context is sent to its own server only.

    The contexts are in a file that only you can read: contexts.json in ~/.config/pileus or $XDG_CONFIG_HOME/pileus.
    """


@context.command("list", cls=SectionedCommand)
@add_output_option
def list_contexts(output: str) -> None:
    """List the contexts."""
    file = load_contexts()
    rows = [_describe(name, cloud) | {"in_use": name == file.current} for name, cloud in file.contexts.items()]
    show_table(rows, COLUMNS, output, "There are no contexts. Create one with `pileus context create NAME`.")


@context.command("use", cls=SectionedCommand, examples=(("Use a context", "pileus context use lab"),))
@name_argument
def use_context(name: str) -> None:
    """Use the context NAME from now on."""
    file = load_contexts()
    cloud = file.require_context(name)
    save_contexts(file.with_current(name))
    click.echo(f"Commands use {name} ({cloud.url}).", err=True)


def create_context(name: str, *, replace: bool, check: bool, **options: Any) -> None:
    """Save a context, and use it if it is the first. The values come from where other commands take them."""
    file = load_contexts()
    if name in file.contexts and not replace:
        raise UsageError(f"there is a context {name}: --replace replaces it")
    chosen = {field: options.get(f"cloud_{field}") for field in ("project", "region")}
    connection = pop_connection(options)
    key = connection.require_key()
    places = _find_places(ApiClient(connection)) if check else {}
    project = chosen["project"] or places.get("project", connection.project)
    region = chosen["region"] or places.get("region", connection.region)
    updated = file.with_context(name, CloudContext(url=connection.url, key=key, project=project, region=region))
    save_contexts(updated)
    ending = "and is in use" if updated.current == name else f"use it with `pileus context use {name}`"
    click.echo(f"Context {name} is saved: {connection.url}, project {project}, region {region}; {ending}.", err=True)


context.add_command(
    SectionedCommand(
        "create",
        callback=create_context,
        params=[
            click.Argument(["name"]),
            click.Option(["--replace"], is_flag=True, help="Replace the context of that name."),
            click.Option(
                ["--check/--no-check"], default=True, help="Whether to ask the server for its projects (the default)."
            ),
            *cloud_options(names=("url", "key", "project", "region")),
        ],
        help=(
            "Save a server under a NAME; the first context is in use at once.\n\nWithout options the server and the key"
            " are those that other commands would use here. Without --project and --region they are the default"
            " project of the key, and the first region of the server."
        ),
        examples=EXAMPLES[:2],
    )
)


@context.command("delete", cls=SectionedCommand)
@name_argument
def delete_context(name: str) -> None:
    """Delete the context NAME. The server and the key are not touched."""
    file = load_contexts()
    file.require_context(name)
    save_contexts(file.without_context(name))
    click.echo(f"Context {name} is deleted.", err=True)


@context.command("show", cls=SectionedCommand)
@click.argument("name", required=False, shell_complete=complete_contexts)
@add_output_option
def show_context(name: str | None, output: str) -> None:
    """Show the context NAME, or which server commands use here and what chose it."""
    if name is not None:
        print_record(_describe(name, load_contexts().require_context(name)), output)
        return
    connection = resolve_connection()
    print_record(_describe_connection(connection), output)


def _describe(name: str, cloud: CloudContext) -> dict[str, Any]:
    place = {"project": cloud.project, "region": cloud.region}
    return {"name": name, "url": cloud.url, "key": _mask(cloud.key), **place}


def _describe_connection(connection: CloudConnection) -> dict[str, Any]:
    return {
        "url": connection.url,
        "url_from": connection.url_origin,
        "key": _mask(connection.key),
        "key_from": connection.key_origin,
        "project": connection.project,
        "region": connection.region,
    }


def _mask(key: str | None) -> str | None:
    """Return the beginning of a key: its number, by which it can be revoked."""
    return f"{key[:VISIBLE_KEY_LENGTH]}…" if key else None


def _find_places(api: ApiClient) -> dict[str, int]:
    """Return the default project of the key and the first region. Raises CommandError."""
    projects = api.list_all("/cloud/v1/projects")
    regions = api.list_all("/cloud/v1/regions")
    default = next((project for project in projects if project.get("is_default")), next(iter(projects), None))
    places = {"project": default and default["id"], "region": regions[0]["id"] if regions else None}
    return {name: int(id_) for name, id_ in places.items() if id_ is not None}
