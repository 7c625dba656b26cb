"""The web console in a browser: what people do with it, and what it loads."""

import json
import subprocess
import sys

import httpx
import pytest

from pileus.api.routes.web_console import FOLDER
from pileus.domain.tags import make_tags, merged_tags
from tests.console.conftest import Browser
from tests.console.resources import PLACE, wait_for_task
from tests.orders import an_order
from tests.servers import KEY, Server, start_server

pytestmark = pytest.mark.timeout(180)
MERGE_CASES: list[tuple[dict[str, str], dict[str, str | None] | None]] = [
    ({}, {}),
    ({"a": "1"}, None),
    ({"a": "1", "b": "2"}, {"b": None}),
    ({"a": "1"}, {"a": "2", "c": "3"}),
    ({"a": "1"}, {"b": None}),
    ({"a": ""}, {"a": None, "b": ""}),
    ({"a": "1", "constructor": "x"}, {"constructor": None, "toString": "y"}),
    ({"ä": "ö", "a b": "="}, {"a b": "c,d"}),
]


@pytest.fixture(scope="module")
def instance_id(api: httpx.Client) -> str:
    """An instance with tags."""
    order = an_order(name="web-1", tags={"env": "prod", "team": "blue"})
    (task_id,) = api.post("/cloud/v2/instances/1/1", json=order).json()["tasks"]
    return wait_for_task(api, task_id)["instances"][0]


def test_the_first_list_is_small_and_asks_no_other_site(browser: Browser) -> None:
    first = browser.run("first_list")

    assert first["foreign"] == []
    assert first["errors"] == []
    assert first["files"] <= 5
    assert 0 < first["bytes"] <= 60_000


def test_a_ticket_signs_in_all_tabs_and_leaves_no_trace(browser: Browser, console_server: Server) -> None:
    data = console_server.log.with_suffix("")
    command = [sys.executable, "-m", "pileus", "console", "--data", str(data)]
    address = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    ticket = address.rpartition("=")[2]

    result = browser.run("sign_in", ticket=ticket)

    assert result["address"] == f"{console_server.url}/ui/1/1/instances"
    assert result["local"] == "{}"
    assert (result["stored"], result["errors"]) == (0, [])
    assert "not valid" in result["refusal"]
    assert ticket not in console_server.log.read_text()


def test_a_key_signs_in_and_a_wrong_one_does_not(browser: Browser) -> None:
    result = browser.run("key_sign_in")
    assert "Invalid" in result["refusal"]
    assert result["heading"] == "Networks"


def test_an_instance_lives_by_mouse(browser: Browser, api: httpx.Client) -> None:
    result = browser.run("life_by_mouse", name="by-mouse")

    assert result["errors"] == []
    assert "pileus instances create --name by-mouse --flavor g1-standard-1-2" in result["command"]
    assert api.get(f"/cloud/v1/instances/1/1/{result['id']}").status_code == 404
    actions = api.get("/cloud/v1/user_actions", params={"resource_id": result["id"]}).json()["results"]
    assert [action["action_type"] for action in actions][:1] == ["delete"]


def test_an_instance_lives_by_keyboard_alone(browser: Browser) -> None:
    result = browser.run("life_by_keyboard", name="by-keyboard")
    assert result == {"focused": True, "returned": "Stop", "errors": []}


def test_the_history_of_a_record_has_its_changes_with_their_tasks(browser: Browser, instance_id: str) -> None:
    page = browser.run("show", path=f"{PLACE}/instances/{instance_id}?tab=history", text="create instance")
    assert page["text"].rstrip().endswith("Task")


def test_two_editors_of_tags_lose_nothing(browser: Browser, api: httpx.Client, instance_id: str) -> None:
    result = browser.run("two_editors", path=f"{PLACE}/instances/{instance_id}")
    saved = api.get(f"/cloud/v1/instances/1/1/{instance_id}").json()["tags"]
    tags = {tag["key"]: tag["value"] for tag in saved if not tag["read_only"]}

    assert json.loads(result["patch"].partition("\n")[2]) == {"tags": {"own": "kept"}}
    assert "theirs" in result["conflict"]
    assert "mine" in result["conflict"]
    assert tags == {"env": "prod", "team": "blue", "own": "mine", "other": "saved"}
    assert result["errors"] == []


def test_tags_of_a_locked_instance_are_refused_and_kept(browser: Browser, api: httpx.Client) -> None:
    (task_id,) = api.post("/cloud/v2/instances/1/1", json=an_order(name="locked")).json()["tasks"]
    (locked_id,) = wait_for_task(api, task_id)["instances"]
    fault = api.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"}).json()["id"]
    api.post(f"/cloud/v2/instances/1/1/{locked_id}/action", json={"action": "stop"})

    result = browser.run("locked_tags", path=f"{PLACE}/instances/{locked_id}", fault=fault)

    assert "This did not work" in result["refusal"]
    assert result["kept"] == "kept"
    tags = api.get(f"/cloud/v1/instances/1/1/{locked_id}").json()["tags"]
    assert {"key": "late", "value": "kept", "read_only": False} in tags
    assert result["errors"] == []


@pytest.mark.usefixtures("instance_id")
def test_a_list_is_filtered_by_tags_and_names_and_its_address_can_be_shared(
    browser: Browser, api: httpx.Client
) -> None:
    (task_id,) = api.post("/cloud/v2/instances/1/1", json=an_order(name="tagged", tags={"chip": "yes"})).json()["tasks"]
    wait_for_task(api, task_id)

    result = browser.run("list_views", tag="chip=yes", name="tagged")

    assert result["tagged"] == ["tagged"]
    assert ("Flavor" in result["chosen"], "SSH key" in result["chosen"]) == (False, True)
    assert result["shared"] == {"headings": result["chosen"], "rows": 1}
    assert result["errors"] == []


def test_an_empty_list_teaches(browser: Browser, api: httpx.Client) -> None:
    project = api.post("/cloud/v1/projects", json={"name": "empty"}).json()["id"]
    page = browser.run("show", path=f"/ui/{project}/1/volumes", text="pileus volumes list")

    assert "A volume is a disk. Create an empty one" in page["text"]
    assert "Python SDK" in page["text"]


def test_lists_are_polled_while_there_is_no_stream(browser: Browser) -> None:
    assert browser.run("polling", name="made-without-a-stream") == "Every 15 s"


def test_a_change_of_another_program_appears(browser: Browser) -> None:
    assert browser.run("live_list", name="made-elsewhere")


@pytest.mark.parametrize(("button", "state"), [("Release", "FINISHED"), ("Fail here", "ERROR")])
def test_a_held_task_is_released_or_fails(browser: Browser, api: httpx.Client, button: str, state: str) -> None:
    hold = {"kind": "hold", "task_type": "create_vm", "step": "spawn"}
    api.post("/_pileus/faults", json=hold)
    (task_id,) = api.post("/cloud/v2/instances/1/1", json=an_order(name="held")).json()["tasks"]

    result = browser.run("held_task", path=f"{PLACE}/tasks/{task_id}", button=button, state=state)

    assert result["errors"] == []
    assert bool(result["error"]) == (state == "ERROR")
    assert api.get("/_pileus/faults").json() == []


def test_a_role_that_may_only_read_gets_the_reason(browser: Browser, api: httpx.Client) -> None:
    key = api.post("/_pileus/tenants/1/keys", json={"name": "reader", "role": "Users"}).json()["token"]
    result = browser.run("reader", readerKey=key, path=f"{PLACE}/instances")

    assert result["reason"] == "Your role, Users, may only read."
    assert result["address"].endswith("/instances")


def test_the_preview_of_a_merge_patch_has_the_rule_of_the_server(browser: Browser) -> None:
    cases = [
        (current, patch, None if patch is None else merge_as_server(current, patch)) for current, patch in MERGE_CASES
    ]
    results = browser.run("merge_patches", cases=cases)

    for (current, patch, merged), result in zip(cases, results, strict=True):
        assert result["applied"] == merge_as_server(current, patch)
        if merged is not None:
            assert merge_as_server(current, result["made"]) == merged


def test_the_modules_run_as_they_are(browser: Browser, instance_id: str) -> None:
    pages = (
        "instances",
        f"instances/{instance_id}?tab=figures",
        "instances/new",
        "volumes?do=create",
        "costs",
        "cloud",
    )
    paths = [f"{PLACE}/{page}" for page in (*pages, "requests", "quotas", f"instances/{instance_id}?tab=tags")]
    assert browser.run("modules", pages=paths, files=str(FOLDER)) == []


def merge_as_server(current: dict[str, str], patch: dict[str, str | None] | None) -> dict[str, str]:
    """Return the tags after a patch by the server's own rule."""
    return {name: tag.value for name, tag in merged_tags(make_tags(current.items()), patch).items()}


def test_the_console_goes_on_when_the_server_is_back(browser: Browser, console_server: Server) -> None:
    """The last test: it restarts the server."""
    browser.run("lose_server")
    data, port = console_server.log.with_suffix(""), int(console_server.url.rpartition(":")[2])
    console_server.stop()
    browser.run("say_lost")
    again = start_server(data, port=port)
    console_server.process = again.process
    assert browser.run("go_on") == "Networks"
    assert KEY not in console_server.log.read_text()
