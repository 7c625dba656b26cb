"""`pileus api`: any request to the API, with the key, the project and the region of the other commands."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import httpx

from pileus.cli.api_client import ApiClient
from pileus.cli.api_fields import parse_fields
from pileus.cli.cloud_options import add_cloud_options, pop_api_client
from pileus.cli.commands import CommandError, SectionedCommand, UsageError, print_error

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
BODY_METHODS = ("POST", "PUT", "PATCH")
CLIENT_ERROR, SERVER_ERROR = 4, 5
"""Exit codes for the statuses 400 to 499 and 500 to 599."""
STDIN = "-"
EXAMPLES = (
    ("Get the instances", "pileus api /cloud/v1/instances/{project_id}/{region_id}"),
    (
        "… of all pages that have a tag",
        "pileus api --paginate GET '/cloud/v1/volumes/{project_id}/{region_id}' -f tag_key=env",
    ),
    ("Rename a project", "pileus api PATCH '/cloud/v1/projects/{project_id}' -f name=shop"),
    (
        "Set a tag and remove another",
        "pileus api PATCH /cloud/v1/instances/1/1/3d5e -f tags[env]=prod -F tags[old]=null",
    ),
    ("Send a body from a file, and see the headers", "pileus api POST /cloud/v1/projects --input project.json -i"),
)


@click.command(cls=SectionedCommand, examples=EXAMPLES)
@click.argument("words", nargs=-1, required=True, metavar="[METHOD] PATH")
@click.option("-f", "--raw-field", "raw_fields", multiple=True, metavar="KEY=VALUE", help="A field with a text.")
@click.option(
    "-F",
    "--field",
    "typed_fields",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field that may be a number, true, false or null; @FILE is the content of a file, @- standard input.",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A further header.")
@click.option("--input", "input_file", metavar="FILE", help="The file with the body; - is standard input.")
@click.option("--paginate", is_flag=True, help="Get all pages of a list, as one list.")
@click.option("-i", "--include", is_flag=True, help="Print the status and the headers first.")
@add_cloud_options
def api(
    words: tuple[str, ...],
    raw_fields: Sequence[str],
    typed_fields: Sequence[str],
    headers: Sequence[str],
    input_file: str | None,
    *,
    paginate: bool,
    include: bool,
    **options: Any,
) -> None:
    """Send a request to the API and print the body of the response.

    METHOD is GET, or POST if there are fields or --input. In PATH, {project_id} and {region_id} are filled in. Fields
    are the query of a GET, and the JSON body of other methods: KEY may be a[b] for a field of an object, and a[] for
    an item of a list.

    The exit code is 0 for the statuses 200 to 399, 4 for 400 to 499, and 5 for 500 to 599.
    """
    fields = parse_fields(raw_fields, typed_fields)
    method, path = _parse_words(words, has_body=bool(fields) or input_file is not None)
    client = pop_api_client(options)
    request = _build_request(method, fields, _read_input(input_file), headers)
    if paginate:
        _print_all_pages(client, method, path, request)
        return
    response = client.send(method, path, **request)
    if include:
        _print_head(response)
    _print_body(response)
    _exit_by_status(client, response)


def _parse_words(words: Sequence[str], *, has_body: bool) -> tuple[str, str]:
    """Return the method and the path. Raises UsageError."""
    method, path = (words[0].upper(), words[1]) if len(words) > 1 else ("POST" if has_body else "GET", words[0])
    if len(words) > 2 or method not in METHODS:  # noqa: PLR2004  # a method and a path
        raise UsageError(f"give one of {', '.join(METHODS)} and a path, such as GET /cloud/v1/projects")
    if not path.startswith("/") or path.startswith("//"):
        raise UsageError(f"{path} is not a path: it begins with /, such as /cloud/v1/projects")
    return method, path


def _build_request(method: str, fields: dict[str, Any], body: bytes | None, headers: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of httpx: fields are the query where the method or --input has the place of the body."""
    request: dict[str, Any] = {"headers": dict(map(_parse_header, headers))}
    if body is not None:
        request["headers"].setdefault("Content-Type", "application/json")
        request["content"] = body
    elif fields and method in BODY_METHODS:
        request["json"] = fields
        return request
    if fields:
        request["params"] = {name: _query_text(value) for name, value in fields.items()}
    return request


def _query_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_query_text(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)


def _parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip().isascii() or not value.isascii():
        raise UsageError(f"{text!r} is not a header: write NAME:VALUE")
    return name.strip(), value.strip()


def _read_input(name: str | None) -> bytes | None:
    try:
        if name == STDIN:
            return sys.stdin.buffer.read()
        return None if name is None else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None


def _print_all_pages(client: ApiClient, method: str, path: str, request: dict[str, Any]) -> None:
    if method != "GET":
        raise UsageError("--paginate is for GET")
    _print_json(client.read_pages(method, path, request.get("params", {}), None))


def _print_head(response: httpx.Response) -> None:
    click.echo(f"{response.http_version} {response.status_code} {response.reason_phrase}")
    click.echo("".join(f"{name}: {value}\n" for name, value in response.headers.items()))


def _print_body(response: httpx.Response) -> None:
    """Print a body: formatted for people if it is JSON, unchanged into a pipe."""
    is_json = "json" in response.headers.get("content-type", "")
    if is_json and response.content and sys.stdout.isatty():
        _print_json(response.json())
    elif response.content:
        click.echo(response.content, nl=is_json)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _exit_by_status(client: ApiClient, response: httpx.Response) -> None:
    if response.status_code < httpx.codes.BAD_REQUEST:
        return
    print_error(f"{response.status_code} {response.reason_phrase}: {client.error_text(response)}")
    is_ours = response.status_code < httpx.codes.INTERNAL_SERVER_ERROR
    click.get_current_context().exit(CLIENT_ERROR if is_ours else SERVER_ERROR)
