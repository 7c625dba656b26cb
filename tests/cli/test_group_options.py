"""Options between a group and its command: the command has them, or they are refused; none is ignored."""

import json
from collections.abc import Iterator

import click
import pytest

from pileus.cli.main import pileus
from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run, invoke_without_variables


def list_groups(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    """Yield all groups with the words that name them."""
    ctx = click.Context(group)
    yield path, group
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from list_groups(command, (*path, name))


GROUPS = list(list_groups(pileus, ()))
EXAMPLES = {
    "cloud_url": "http://127.0.0.1:1", "cloud_key": "1_x", "cloud_context": "none", "limit": "3", "operation": "x",
    "method": "GET", "path": "/x", "status": "404", "project_id": "7", "client_id": "7", "since": "2020-01-01",
    "text": "x", "output": "json", "columns": "id",
}  # fmt: skip
"""A value for each option of a group that has one."""
CASES = [
    pytest.param(path, name, option, id=" ".join((*path, option.opts[0], name)))
    for path, group in GROUPS
    for option in group.params
    if isinstance(option, click.Option) and not option.is_eager
    for name in group.list_commands(click.Context(group))
]


def test_there_are_groups_with_options() -> None:
    assert {param.values[0] for param in CASES} == {("sim", "clock"), ("requests",)}


@pytest.mark.parametrize(("path", "name", "option"), CASES)
def test_an_option_before_a_command_is_its_own_or_is_refused(
    path: tuple[str, ...], name: str, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = dict(GROUPS)[path]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    received = {}
    monkeypatch.setattr(command, "callback", lambda **options: received.update(options))
    for parameter in command.params:
        monkeypatch.setattr(parameter, "required", False)
    words = [option.opts[0], *([] if option.is_flag else [EXAMPLES[option.name or ""]])]

    result = invoke_without_variables(*path, *words, name)

    if option.name in {parameter.name for parameter in command.params}:
        assert result.exit_code == 0
        assert not option.expose_value or str(received[option.name]) == words[-1]
    else:
        assert (result.exit_code, received) == (2, {})
        assert f"{option.opts[0]} is an option of" in result.stderr


def test_a_command_uses_the_server_and_the_columns_that_stand_before_it(run: Run, server: TemporaryServer) -> None:
    options = ("--url", server.url, "--key", server.key)
    clock = run("sim", "clock", *options, "show")
    run("requests", *options, "clear")
    run("networks", "list", *options, "--project", "1", "--region", "1")
    (exchange,) = json.loads(run("requests", *options, "-o", "json").stdout)
    columns = run("requests", *options, "-o", "json", "--columns", "path", "show", exchange["request_id"])

    assert (clock.exit_code, clock.stdout[:2]) == (0, "20")
    assert json.loads(columns.stdout) == {"path": exchange["path"]}


def test_an_option_of_the_command_wins_over_one_before_it(run: Run, server: TemporaryServer) -> None:
    result = run(
        "sim", "clock", "--url", "http://127.0.0.1:1", "--key", "x", "show", "--url", server.url, "--key", server.key
    )

    assert (result.exit_code, result.stdout[:2]) == (0, "20")
