"""Every command is run once with valid arguments and once with each typical mistake, on a real server."""

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from msgspec import Struct

from pileus.cli import task_progress
from pileus.cli.commands import LazySectionedGroup
from pileus.cli.main import pileus
from tests.certificates import A_CERTIFICATE
from tests.cli.command_lines import ELSEWHERE, LINES, CommandLine
from tests.cli.conftest import invoke_without_variables
from tests.image_server import image_url
from tests.servers import Server, run_server

MISSING = "00000000-0000-4000-8000-000000000000"
MISSING_NUMBER = "987654"
NAME = re.compile(r"\{(?!month|today|image_url)\w+\}")
NUMBERS = {"key", "operator", "own_key", "policy", "project", "tenant"}
"""Names of ids that are numbers."""


class Step(Struct, frozen=True):
    """A command line that has been run, with its results in two formats."""

    line: CommandLine
    result: Result
    as_csv: Result | None


def leaf_commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands that do something with their names, also groups that do."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from leaf_commands(command, (*path, name))


assert isinstance(pileus, LazySectionedGroup)
COMMANDS = dict(leaf_commands(pileus))


def command_of(line: CommandLine) -> str:
    words = line.text.split()
    return next(name for name in (" ".join(words[:count]) for count in (3, 2, 1)) if name in COMMANDS)


LINE_OF_COMMAND = {command_of(line): line for line in reversed(LINES) if not line.fails}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is the only one which commands find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setattr(task_progress, "POLL_INTERVAL", 0.02)
        data = tmp_path_factory.mktemp("commands") / "data"
        with run_server(data, "--image-sources", "any", PILEUS_API_KEY="") as server:
            yield server


@pytest.fixture(scope="module")
def steps(cloud: Server, tmp_path_factory: pytest.TempPathFactory) -> list[Step]:  # noqa: ARG001  # commands find the server that runs
    """All lines, run one after the other. Commands find the server without options."""
    now = datetime.now(UTC)
    month = (now - timedelta(days=28)).isoformat()
    values = {"today": now.isoformat(), "month": month, "image_url": image_url()}
    values["folder"] = str(tmp_path_factory.mktemp("files"))
    Path(values["folder"], "certificate.json").write_text(json.dumps(A_CERTIFICATE["payload"]))
    return [run_step(line, values) for line in LINES]


def run_step(line: CommandLine, values: dict[str, str]) -> Step:
    words = shlex.split(line.text.format_map(DefaultValues(values)))
    name = command_of(line)
    has_formats = any(parameter.name == "output" for parameter in COMMANDS[name].params)
    result = invoke_without_variables(*words, *(["-o", "json"] if has_formats else []))
    answer = json.loads(result.stdout) if has_formats and result.exit_code == 0 and result.stdout else None
    if line.keep and answer is not None:
        values[line.keep] = str(reach(answer, line.field))
    as_csv = invoke_without_variables(*words, "-o", "csv") if has_formats and is_list(name, answer) else None
    return Step(line, result, as_csv)


class DefaultValues(dict[str, str]):
    """Values of names. A name whose line has failed is an id that does not exist."""

    def __missing__(self, name: str) -> str:
        return missing_id(name)


def missing_id(name: str) -> str:
    return MISSING_NUMBER if name in NUMBERS else MISSING


def is_list(name: str, answer: Any) -> bool:
    """Return whether a command only reads, and answers with rows."""
    verb = name.rpartition(" ")[2]
    return isinstance(answer, list) and bool(answer) and not verb.startswith(("create", "delete", "add", "remove"))


def reach(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def test_every_command_has_a_line() -> None:
    unlisted = sorted(COMMANDS.keys() - LINE_OF_COMMAND.keys() - ELSEWHERE.keys() - {command_of(x) for x in LINES})

    assert unlisted == [], "add a command line for each to LINES of tests/cli/command_lines.py"


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_command_without_a_line_is_run_by_another_test(name: str) -> None:
    text = (Path(__file__).parent / ELSEWHERE[name]).read_text("utf-8")

    assert name in COMMANDS
    assert name.rpartition(" ")[2] in text


def test_every_command_succeeds_with_valid_arguments(steps: list[Step]) -> None:
    unexpected = {
        step.line.text: step.result.stderr or repr(step.result.exception)
        for step in steps
        if (step.result.exit_code != 0) != bool(step.line.fails) or step.line.fails not in step.result.stderr
    }

    assert not unexpected, "\n".join(f"{line}: {error}" for line, error in unexpected.items())


def test_no_table_has_a_column_without_data(steps: list[Step]) -> None:
    filled: dict[str, dict[str, bool]] = {}
    unknown: dict[str, set[str]] = {}
    for step in steps:
        if step.as_csv is not None and "--columns" not in step.line.text:
            rows = list(csv.DictReader(io.StringIO(step.as_csv.stdout)))
            fields = {field for row in json.loads(step.result.stdout) for field in row}
            unknown[command_of(step.line)] = set(rows[0]) - fields
            columns = filled.setdefault(command_of(step.line), {})
            for column in rows[0]:
                columns[column] = columns.get(column, False) or any(row[column] for row in rows)
    empty = {name: {column for column in columns if not columns[column]} for name, columns in filled.items()}

    assert {name: columns for name, columns in unknown.items() if columns} == {}
    assert {name: columns for name, columns in empty.items() if columns} == {}


def refused_lines() -> Iterator[tuple[str, str, list[str]]]:
    """Yield a name of the mistake, the command, and its words."""
    for name, line in sorted(LINE_OF_COMMAND.items()):
        words = shlex.split(line.text.format_map(DefaultValues({"image_url": "http://x", "today": "x", "month": "x"})))
        yield "unknown option", name, [*words, "--no-such-option"]
        yield "too many arguments", name, [*words, "surplus", "words", "here", "too"]
        parameters = {parameter.name for parameter in COMMANDS[name].params}
        if any(parameter.required for parameter in COMMANDS[name].params):
            yield "nothing given", name, name.split()
        if "cloud_url" in parameters and name != "context create":
            yield "no server", name, [*words, url_flag(name), "http://127.0.0.1:1", key_flag(name), "1_a-key"]
            yield "wrong key", name, [*words, key_flag(name), "1_not-a-key-0123456789"]
        if NAME.search(line.text) and "cloud_url" in parameters:
            yield "missing resource", name, words


def url_flag(name: str) -> str:
    return option_flag(name, "cloud_url")


def key_flag(name: str) -> str:
    return option_flag(name, "cloud_key")


def option_flag(name: str, parameter_name: str) -> str:
    return next(parameter.opts[0] for parameter in COMMANDS[name].params if parameter.name == parameter_name)


REFUSED = list(refused_lines())
KINDS: Mapping[str, tuple[int, ...]] = {
    "unknown option": (2,),
    "too many arguments": (2,),
    "nothing given": (2,),
    "no server": (1, 2),
    "wrong key": (1, 2, 4),
    "missing resource": (1, 2),
}


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("mistake", sorted(KINDS))
def test_every_command_reports_a_mistake_in_one_line(mistake: str) -> None:
    problems = {}
    for name, words in [(name, words) for kind, name, words in REFUSED if kind == mistake]:
        result = invoke_without_variables(*words)
        is_one_line = result.stderr.count("\n") == 1 and result.stderr.startswith("pileus: ")
        if not is_one_line or result.exit_code not in KINDS[mistake]:
            problems[name] = (result.exit_code, result.stderr, repr(result.exception))

    assert problems == {}
