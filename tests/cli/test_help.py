"""Help: every command has help, and every example is a valid command line."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from pileus import __version__
from pileus.cli.commands import CLOUD_SECTION, LazySectionedGroup, SectionedCommand
from pileus.cli.main import pileus
from pileus.cli.resource_kinds import RESOURCE_KINDS
from pileus.settings import SETTINGS


def commands(
    group: LazySectionedGroup, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], SectionedCommand | LazySectionedGroup]]:
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazySectionedGroup):
            yield from commands(command, (*path, name))
        else:
            assert isinstance(command, SectionedCommand), name
            yield (*path, name), command


assert isinstance(pileus, LazySectionedGroup)
COMMANDS = list(commands(pileus))
GROUPS = [(path, command) for path, command in COMMANDS if isinstance(command, LazySectionedGroup)]
MARKUP = re.compile(r"\*\*\w[^*\n]*\*\*|\]\(|</?[a-z]+>|^#|\bOptional\. ", re.IGNORECASE)
"""Markdown of the texts that help is made from. Backticks are for commands."""
WITHOUT_SDK = """
import sys
sys.modules["gcore"] = None
from click.testing import CliRunner
from pileus.cli.main import pileus
from tests.cli.test_help import COMMANDS

for path, _ in COMMANDS:
    result = CliRunner().invoke(pileus, [*path, "--help"])
    assert result.exit_code == 0, (path, result.output, result.exception)
print(len(COMMANDS))
"""
LINES = sorted({line for _, command in COMMANDS for _, line in command.examples})


@pytest.mark.parametrize(
    ("path", "command"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_help(path: tuple[str, ...], command: SectionedCommand | LazySectionedGroup) -> None:
    result = CliRunner(env={"COLUMNS": "110"}).invoke(pileus, [*path, "--help"], prog_name="pileus")

    assert result.exit_code == 0
    assert command.help
    assert not MARKUP.search(result.output)
    assert "..." not in "".join(line for line in result.output.splitlines() if not line.startswith("Usage:"))


@pytest.mark.parametrize(
    ("path", "group"), GROUPS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_group_lists_its_commands(path: tuple[str, ...], group: LazySectionedGroup) -> None:
    lines = CliRunner(env={"COLUMNS": "110"}).invoke(pileus, [*path, "--help"], prog_name="pileus").output.splitlines()
    first_words = {line.split()[0] for line in lines if line.startswith("  ") and line.strip()}

    names = group.list_commands(click.Context(group))

    assert names
    assert [name for name in names if name not in first_words] == []


def test_root_help_has_the_examples_first_and_no_options_of_commands() -> None:
    text = CliRunner(env={"COLUMNS": "80"}).invoke(pileus, ["--help"], prog_name="pileus").output
    lines = text.splitlines()

    assert max(map(len, lines)) <= 120
    assert lines.index("Examples:") < lines.index("Options:") < lines.index("Run:")
    assert {line.split()[0].rstrip(",") for line in lines if line.startswith("  -")} == {"--version", "-h"}
    assert "`pileus serve --help` lists them" in " ".join(text.split())


def test_help_of_serve_lists_each_setting_with_variable_and_default() -> None:
    # A line may end at a hyphen.
    result = " ".join(CliRunner().invoke(pileus, ["serve", "--help"]).output.split()).replace("- ", "-")

    for setting in SETTINGS:
        default = f"; default: {setting.default_text}]" if setting.default_text else "]"
        assert f"{setting.help} [{setting.environment_variable}{default}".replace("- ", "-") in result


@pytest.mark.parametrize("line", LINES)
def test_every_example_is_a_valid_command_line(line: str) -> None:
    assert "pileus " in line
    line = line.replace("export GCORE_API_KEY=$(", "")
    line = re.sub(r'^eval "\$\((.*)\)"$', r"\1", line)
    for part in re.split(r" \| source$| >>? \S+$", line)[0].split(" && "):
        words = [word for word in shlex.split(part.removesuffix(" 2>/dev/null)")) if not re.match("[A-Z_]+=", word)]
        assert words[0] == "pileus"
        parse_words(pileus, words[1:])


def parse_words(command: click.Command, words: list[str]) -> None:
    with command.make_context(command.name, list(words)) as context:
        if isinstance(command, click.Group):
            names = [*context._protected_args, *context.args]  # noqa: SLF001  # click has no other way
            if command.invoke_without_command and not names:
                return
            _, inner, rest = command.resolve_command(context, names)
            assert inner is not None
            parse_words(inner, rest)


def test_version_is_printed() -> None:
    result = subprocess.run([sys.executable, "-m", "pileus", "--version"], capture_output=True, text=True, check=True)

    assert result.stdout == f"pileus, version {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["instances", "create", "--help"], ["sim", "--help"]])
def test_help_imports_neither_the_server_nor_the_sdk(words: list[str]) -> None:
    program = (
        "import sys; from pileus.cli.main import pileus;"
        f"pileus({words}, standalone_mode=False);"
        "print([name for name in ('litestar', 'gcore') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.endswith("[]\n")


def test_every_help_works_without_the_sdk() -> None:
    result = subprocess.run([sys.executable, "-c", WITHOUT_SDK], capture_output=True, text=True, check=False)

    assert (result.stderr, result.stdout) == ("", f"{len(COMMANDS)}\n")


def test_only_options_of_commands_of_resources_quote_their_help_without_backticks() -> None:
    texts = [
        parameter.help or ""
        for path, command in COMMANDS
        if path and path[0] in RESOURCE_KINDS
        for parameter in command.params
        if isinstance(parameter, click.Option) and getattr(parameter, "section", "") != CLOUD_SECTION
    ]

    assert [text for text in texts if "`" in text] == []
