"""Suggestions for mistyped commands, options and names; one form of all errors; exit codes."""

import subprocess
import sys

import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run

ORDER = ("--interfaces", "type=external", "--volumes", "source=image,image_id=ubuntu-22.04-x64,size=10,boot_index=0")


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (("instnces", "list"), "There is no command `pileus instnces`. Did you mean instances"),
        (("instances", "lst"), "There is no command `pileus instances lst`. Did you mean list?"),
        (("instances", "rm"), "There is no command `pileus instances rm`. Did you mean delete?"),
        (("sim", "facts"), "There is no command `pileus sim facts`. Did you mean faults?"),
        (("volumes", "create", "--nmae", "x"), "There is no option --nmae. Did you mean --name"),
        (("instances", "create", "--flavor", "x", "--interfaces", "typ=external"), "Did you mean type?"),
        (("images", "show", "ubuntu-22.04-x46"), "Did you mean ubuntu-22.04-x64"),
        (
            ("instances", "create", "--name", "web", "--flavor", "g1-standard-1-3", *ORDER),
            "(--flavor g1-standard-1-3: Did you mean g1-standard-1-2",
        ),
    ],
)
def test_a_mistyped_word_is_answered_with_what_it_may_mean(
    use: Run, arguments: tuple[str, ...], suggestion: str
) -> None:
    refused = use(*arguments)

    assert refused.exit_code in (1, 2)
    assert suggestion in refused.stderr
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("reserved-fixed-ips", "create", "--type", "subnet"), "--type subnet needs --subnet-id"),
        (
            ("reserved-fixed-ips", "create", "--type", "external", "--network-id", "x"),
            "--type external does not take --network-id",
        ),
        (("volumes", "create", "--name", "x", "--source", "image", "--size", "1"), "--source image needs --image-id"),
    ],
)
def test_options_that_do_not_belong_together_are_refused_before_a_request(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    refused = run(*arguments)

    assert (refused.exit_code, refused.stderr) == (2, f"pileus: {message}\n")


def test_groups_are_given_by_their_names(use: Run) -> None:
    attached = use("instances", "create", "--name", "web", "--flavor", "g1-standard-1-2", *ORDER)
    instance = use("interfaces", "attach", "web", "--type", "external", "--security-groups", "default", "-o", "name")
    use("instances", "delete", "web")

    assert attached.exit_code == 0, attached.stderr
    assert instance.exit_code == 0, instance.stderr


def test_an_error_ends_a_pipeline_without_a_traceback(server: TemporaryServer) -> None:
    command = f"{sys.executable} -m pileus flavors list --url {server.url} --key {server.key} | head -c 5"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert (len(ended.stdout), ended.stderr) == (5, "")
