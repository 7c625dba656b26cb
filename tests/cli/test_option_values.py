"""Options that take a value take any, also one that begins with a hyphen, and are refused without one."""

import click
import pytest

from pileus.cli.main import pileus
from tests.cli.conftest import Run
from tests.cli.test_help import COMMANDS


def context_of(command: click.Command) -> click.Context:
    """Return a context with the root's names of the help option: a command keeps those of its first context."""
    return click.Context(command, help_option_names=pileus.context_settings["help_option_names"])


VALUES = ("-1", "- a list", "--text")
OPTIONS = [
    (path, command, option)
    for path, command in COMMANDS
    for option in command.get_params(context_of(command))
    if isinstance(option, click.Option) and not option.is_flag and option.nargs == 1
]


def parse(command: click.Command, option: click.Option, *words: str) -> tuple[object, list[str]]:
    """Return what the words give to the option, before its type is applied, and the words that are left."""
    values, rest, _ = command.make_parser(context_of(command)).parse_args(list(words))
    return values[option.name], rest


@pytest.mark.parametrize("value", VALUES)
def test_every_option_takes_a_value_that_begins_with_a_hyphen(value: str) -> None:
    problems = {}
    for path, command, option in OPTIONS:
        flag = option.opts[0]
        expected: tuple[object, list[str]] = ([value] if option.multiple else value, [])
        attached = f"{flag}={value}" if flag.startswith("--") else f"{flag}{value}"
        parsed = [parse(command, option, flag, value), parse(command, option, attached)]
        if parsed != [expected, expected]:
            problems[" ".join((*path, flag))] = parsed

    assert len(OPTIONS) > len(COMMANDS)
    assert problems == {}


@pytest.mark.parametrize("following", [[], ["--help"]], ids=["at the end", "before an option"])
def test_every_option_is_refused_without_a_value(following: list[str]) -> None:
    accepted = []
    for path, command, option in OPTIONS:
        try:
            command.make_context(command.name, [option.opts[0], *following])
        except click.BadOptionUsage:
            continue
        except click.exceptions.Exit:
            accepted.append(" ".join((*path, option.opts[0])))

    assert accepted == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("instances update web --tags", "Option '--tags' requires an argument."),
        ("instances list --name", "Option '--name' requires an argument."),
        ("instances update web --name --tags a=b", "--name needs a value, and --tags is another option."),
        ("serve --host --port 80", "--host needs a value, and --port is another option."),
    ],
)
def test_an_option_without_a_value_is_a_mistake(run: Run, words: str, message: str) -> None:
    result = run(*words.split())

    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_words_behind_a_double_hyphen_are_no_options() -> None:
    command = dict(COMMANDS)["instances", "ssh"]
    context = command.make_context("ssh", ["web", "--", "--user", "--port"])

    assert context.params["command"] == ("--user", "--port")
