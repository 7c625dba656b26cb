"""Output of commands: formats, columns, and tables in terminals of any width."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tests.cli.conftest import Run

COLOR = re.compile(r"\x1b\[[0-9;]*m")
Terminal = Callable[..., str]
LIST = ("volumes", "list", "--name-part", "data of the shop")


@pytest.fixture
def volume(use: Run) -> Iterator[str]:
    """The id of a volume with a name of several words."""
    order = ("--name", "data of the shop", "--size", "1", "--source", "new-volume", "--tags", "env=prod")
    volume_id = json.loads(use("volumes", "create", *order, "-o", "json").stdout)["id"]
    yield volume_id
    use("volumes", "delete", volume_id)


@pytest.fixture
def terminal(use: Run) -> Terminal:  # noqa: ARG001  # for its variables
    """Run a command in a terminal of a width, and return what it shows."""

    def show(width: int, *arguments: str) -> str:
        # readline has set COLUMNS, without telling Python.
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        pid, terminal = pty.fork()
        if pid == 0:  # pragma: no cover  # the child
            os.execve(sys.executable, [sys.executable, "-m", "pileus", *arguments], environment)  # noqa: S606  # this program
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        content = read_all(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, content
        return content.decode().replace("\r\n", "\n")

    return show


def read_all(terminal: int) -> bytes:
    content = b""
    try:
        while part := os.read(terminal, 65536):
            content += part
    except OSError:
        # The end of the program is an error of the terminal.
        return content
    finally:
        os.close(terminal)
    return content


def test_a_pipe_gets_lines_with_tabs_and_without_colors(use: Run, volume: str) -> None:
    listed = use(*LIST).stdout

    assert listed.split("\t")[:4] == [volume, "data of the shop", "available", "1"]
    assert listed.count("\n") == 1
    assert "\x1b" not in listed


def test_formats_show_the_same_rows(use: Run, volume: str) -> None:
    as_json, as_yaml, as_csv, as_table, names = (
        use(*LIST, "-o", output).stdout for output in ("json", "yaml", "csv", "table", "name")
    )

    assert json.loads(as_json) == msgspec.yaml.decode(as_yaml)
    (row,) = csv.DictReader(io.StringIO(as_csv))
    assert (row["id"], row["name"], row["tags"]) == (volume, "data of the shop", "env=prod")
    assert as_table.splitlines()[0].split()[:2] == ["ID", "NAME"]
    assert names == "data of the shop\n"


def test_columns_are_chosen_in_every_format(use: Run, volume: str) -> None:
    columns = ("--columns", "size,id")

    assert use(*LIST, *columns).stdout == f"1\t{volume}\n"
    assert use(*LIST, *columns, "-o", "csv").stdout == f"size,id\n1,{volume}\n"
    assert json.loads(use(*LIST, *columns, "-o", "json").stdout) == [{"size": 1, "id": volume}]
    assert use("volumes", "show", volume, *columns).stdout == f"size\t1\nid\t{volume}\n"


def test_a_column_with_a_dot_reaches_into_an_object(use: Run) -> None:
    listed = use("quotas", "list", "--columns", "global_quotas.project_count_limit").stdout

    assert re.fullmatch(r"global_quotas\.project_count_limit\t\d+\n", listed)


@pytest.mark.usefixtures("volume")
def test_a_mistyped_column_is_refused_with_a_suggestion(use: Run) -> None:
    refused = use(*LIST, "--columns", "id,stauts")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "there is no column stauts. Did you mean status or tags?" in refused.stderr


def test_an_id_is_never_wrapped_and_hidden_columns_are_named(terminal: Terminal, volume: str) -> None:
    narrow = COLOR.sub("", terminal(60, *LIST))
    tiny = COLOR.sub("", terminal(20, *LIST))

    assert max(map(len, narrow.splitlines()[:2])) <= 60
    assert volume in narrow
    assert volume in tiny
    assert "tags (--columns shows them)" in " ".join(narrow.split())


def test_a_wide_terminal_shows_all_columns(terminal: Terminal, volume: str) -> None:
    wide = terminal(200, *LIST)
    lines = COLOR.sub("", wide).splitlines()

    assert lines[0].split() == ["ID", "NAME", "STATUS", "SIZE", "VOLUME", "TYPE", "ATTACHMENTS", "TAGS"]
    assert lines[1].split() == [volume, "data", "of", "the", "shop", "available", "1", "standard", "-", "env=prod"]
    assert wide != COLOR.sub("", wide)


def test_no_color_is_respected(terminal: Terminal, volume: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert not re.search(r"\x1b\[[0-9;]*3\d", terminal(200, "volumes", "show", volume))


def test_a_table_hides_the_fields_of_older_clients(use: Run) -> None:
    order = ("--name", "old", "--flavor", "g1-standard-1-2", "--interfaces", "type=external")
    boot = "source=image,image_id=ubuntu-22.04-x64,size=10,boot_index=0,delete_on_termination=true"
    use("instances", "create", *order, "--volumes", boot)

    fields = dict(line.split("\t") for line in use("instances", "show", "old").stdout.splitlines())
    all_fields = json.loads(use("instances", "show", "old", "-o", "json").stdout)
    use("instances", "delete", "old")

    assert all_fields.keys() - fields.keys() >= {"instance_name", "metadata", "keypair_name"}
    assert fields["name"] == "old"


def test_messages_are_not_among_the_data(use: Run, volume: str) -> None:
    listed = use("volumes", "list", "--name-part", "no-such")
    updated = use("sim", "capacity", "g1-standard-1-2", "5", "-o", "json")
    use("sim", "capacity", "g1-standard-1-2", "unlimited")

    assert (listed.stdout, listed.stderr) == ("", "Nothing.\n")
    assert json.loads(updated.stdout) == {"region_id": 1, "flavor_id": "g1-standard-1-2", "servers": 5}
    assert volume
