"""The nouns of the API as commands, against a real server and through the official client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pileus.cli import task_progress
from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run

BOOT = "source=image,image_id=ubuntu-22.04-x64,size=10,boot_index=0,delete_on_termination=true"
FAST = 0.01


@pytest.fixture(autouse=True)
def poll_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_progress, "POLL_INTERVAL", FAST)


def parse_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def instance(use: Run) -> Iterator[str]:
    """The name of an active instance."""
    order = ("--name", "web", "--flavor", "g1-standard-1-2", "--interfaces", "type=external", "--tags", "env=prod")
    instance_id = parse_json(use("instances", "create", *order, "--volumes", BOOT, "-o", "json"))["id"]
    yield "web"
    deleted = use("instances", "delete", instance_id)
    assert (deleted.exit_code, deleted.stdout, deleted.stderr) == (0, "", "Done.\n")


def test_instance_is_listed_shown_updated_and_stopped_by_its_name(use: Run, instance: str) -> None:
    listed = use("instances", "list").stdout.split("\t")
    view = parse_json(use("instances", "show", instance, "-o", "json"))
    changed = parse_json(use("instances", "update", instance, "--tags", "a=b", "--tags", "env-", "-o", "json"))
    stopped = parse_json(use("instances", "stop", instance, "-o", "json"))

    assert (listed[1:3], listed[4:]) == (["web", "ACTIVE"], ["g1-standard-1-2", "env=prod\n"])
    assert listed[3].startswith("pub_net: ")
    assert view["status"] == "ACTIVE"
    assert {tag["key"]: tag["value"] for tag in changed["tags"] if not tag["read_only"]} == {"a": "b"}
    assert stopped["status"] == "SHUTOFF"


def test_creation_answers_with_what_was_made_or_with_the_task(use: Run) -> None:
    order = ("volumes", "create", "--name", "data", "--size", "1", "--source", "new-volume")

    created = parse_json(use(*order, "-o", "json"))
    started = use(*order, "--no-wait").stdout.strip()
    ended = parse_json(use("tasks", "wait", started, "-o", "json"))
    (volume, other) = parse_json(use("volumes", "list", "-o", "json", "--name-part", "data"))
    ambiguous = use("volumes", "show", "data")
    for resource in (volume, other):
        use("volumes", "delete", resource["id"])

    assert (created["name"], created["status"]) == ("data", "available")
    assert [task["task_type"] for task in ended] == ["create_volume"]
    assert {volume["id"], other["id"]} == {created["id"], ended[0]["created_resources"]["volumes"][0]}
    assert (ambiguous.exit_code, "2 things are called data: say which by its id" in ambiguous.stderr) == (2, True)


def test_failed_task_is_an_error(use: Run) -> None:
    use("sim", "fail", "create_volume", "--message", "no room")
    failed = use("volumes", "create", "--name", "data", "--size", "1", "--source", "new-volume")

    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.endswith("(create_volume) failed: no room\n")


def test_interrupted_wait_names_the_task(use: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    use("sim", "hold", "create_volume")
    monkeypatch.setattr(task_progress.wait_for_tasks, "__defaults__", (interrupt,))
    interrupted = use("volumes", "create", "--name", "data", "--size", "1", "--source", "new-volume")
    use("sim", "release", "--all")

    assert interrupted.exit_code == 130
    assert interrupted.stderr.lstrip().startswith("Not waiting any more; the work goes on: pileus tasks wait ")


def test_output_can_be_json_or_yaml(use: Run) -> None:
    assert parse_json(use("regions", "list", "--output", "json"))[0]["display_name"] == "Local"
    assert "display_name: Local" in use("regions", "list", "--output", "yaml").stdout
    assert "display_name\tLocal\n" in use("regions", "show", "1").stdout
    assert parse_json(use("placement-groups", "list", "-o", "json")) == []
    assert use("placement-groups", "list").stderr == "Nothing.\n"


def test_objects_are_given_as_keys_and_values_or_json(use: Run) -> None:
    schedule = "type=cron,hour=3,max_quantity=7"
    order = ("--name", "nightly", "--action", "volume_snapshot", "--schedules", schedule)

    created = parse_json(use("snapshot-schedules", "create", *order, "-o", "json"))
    as_json = parse_json(
        use("snapshot-schedules", "create", *order[:-1], '[{"type": "interval", "days": 1}]', "-o", "json")
    )
    for resource in (created, as_json):
        use("snapshot-schedules", "delete", str(resource["id"]))

    assert (created["schedules"][0]["hour"], created["schedules"][0]["max_quantity"]) == ("3", 7)
    assert as_json["schedules"][0]["days"] == 1


def test_resources_are_found_by_their_own_id_field(use: Run) -> None:
    created = parse_json(
        use("placement-groups", "create", "--name", "apart", "--policy", "anti-affinity", "-o", "json")
    )

    view = parse_json(use("placement-groups", "show", "apart", "-o", "json"))
    deleted = use("placement-groups", "delete", "apart")

    assert view["servergroup_id"] == created["servergroup_id"]
    assert deleted.exit_code == 0


def test_names_are_resolved_in_options_and_nested_values(use: Run, instance: str) -> None:
    order = ("--name", "disk", "--size", "1", "--source", "new-volume", "--tags", "network_id=x")
    use("volumes", "create", *order)
    use("volumes", "attach-to-instance", "disk", "--instance-id", instance)
    plan = ("--schedules", "type=interval,days=1", "--volume-ids", "disk")
    nightly = parse_json(
        use("snapshot-schedules", "create", "--name", "nightly", "--action", "volume_snapshot", *plan, "-o", "json")
    )

    (disk,) = parse_json(use("volumes", "list", "--instance-id", instance, "--name-part", "disk", "-o", "json"))
    use("snapshot-schedules", "delete", "nightly")
    use("volumes", "detach-from-instance", "disk", "--instance-id", instance)
    deleted = use("volumes", "delete", "disk")

    assert {tag["key"]: tag["value"] for tag in disk["tags"] if not tag["read_only"]} == {"network_id": "x"}
    assert [resource["volume_id"] for resource in nightly["volumes"]] == [disk["id"]]
    assert deleted.exit_code == 0


def test_project_is_never_deleted_without_an_id(use: Run) -> None:
    created = parse_json(use("projects", "create", "--name", "short-lived", "-o", "json"))

    unnamed = use("projects", "delete")
    view = parse_json(use("projects", "show", "short-lived", "-o", "json"))
    deleted = use("projects", "delete", "short-lived")

    assert (unnamed.exit_code, "PROJECT_ID" in unnamed.stderr) == (2, True)
    assert (view["id"], deleted.exit_code) == (created["id"], 0)
    assert parse_json(use("regions", "show", "1", "-o", "json"))["display_name"] == "Local"


@pytest.mark.parametrize(
    ("arguments", "expected", "code"),
    [
        (("instances", "show", "nope"), "nothing is called nope: `pileus instances list` shows what there is", 2),
        (("instances", "show", "3d5e0000-0000-4000-8000-000000000000"), "could not be found", 1),
        (("volumes", "create", "--name", "x", "--source", "new-volume"), "--source new-volume needs --size", 2),
        (("volumes", "create", "--name", "x"), "Missing option '--source'. Choose from: image, snapshot, new-", 2),
        (
            ("volumes", "create", "--name", "x", "--size", "1", "--source", "new-volume"),
            "name: String should match pattern",
            1,
        ),
        (("instances", "update", "x", "--tags", "=b"), "'=b' is neither KEY=VALUE, which sets a tag, nor KEY-", 2),
        (("instances", "list", "--tag-key-value", "{"), "tag_key_value", 1),
        (("snapshot-schedules", "create", "--name", "x", "--schedules", "[1"), "is not JSON", 2),
        (("snapshot-schedules", "create", "--name", "x", "--schedules", "cron"), "'cron' is not KEY=VALUE", 2),
        (("projects", "list", "--key", "ключ"), "the key of --key cannot be one: set GCORE_API_KEY", 2),
        (("security-group-rules", "delete", "nope", "--group-id", "nope"), "`pileus security-groups list` shows", 2),
        (("volumes", "list", "--instance-id", "nope"), "nothing is called nope: `pileus instances list` shows", 2),
        (("projects", "list", "--key", "9_not-a-key-0123456789"), "the key is not accepted", 1),
        (("projects", "list", "--url", "http://127.0.0.1:1"), "nothing answers at http://127.0.0.1:1", 1),
        (("instances", "list", "--url", "{url}/schema?"), "is this a Pileus server?", 1),
    ],
)
def test_errors_are_printed_in_one_line(
    use: Run, server: TemporaryServer, arguments: tuple[str, ...], expected: str, code: int
) -> None:
    failed = use(*(argument.format(url=server.url) if "{url}" in argument else argument for argument in arguments))

    assert (failed.exit_code, failed.stdout) == (code, "")
    assert expected in failed.stderr
    assert "Traceback" not in failed.stderr


def test_missing_key_is_reported_with_the_next_step(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    failed = run("instances", "list")

    assert failed.exit_code == 2
    assert failed.stderr == (
        "pileus: no API key: set GCORE_API_KEY as `pileus serve` prints it, or give one with --key;"
        " the server is http://127.0.0.1:8080 (the default address)\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(run: Run, shell: str) -> None:
    script = run("completion", shell).stdout

    assert "_PILEUS_COMPLETE" in script
    assert f"pileus completion {shell} >" in script.splitlines()[-1]


def test_names_are_completed(use: Run, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PILEUS_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "pileus instances show w")
    monkeypatch.setenv("COMP_CWORD", "3")

    offered = use().stdout.splitlines()
    monkeypatch.delenv("_PILEUS_COMPLETE")

    assert offered[:2] == ["plain", instance]
