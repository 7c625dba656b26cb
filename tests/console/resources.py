"""Resources that tests of the web console make by the API, and dialogs that they submit in the browser."""

from typing import Any

import httpx

from tests.console.conftest import Browser

PLACE = "/ui/1/1"


def make(api: httpx.Client, kind: str, part: str = "", **body: Any) -> dict[str, list[str]]:
    """Make a resource, wait for it and return the ids of all that its task has made."""
    family, _, resource = kind.partition("/")
    path = "/".join(["/cloud/v1", family, "1/1", *filter(None, (resource, part))])
    answer = api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return wait_for_task(api, answer.json()["tasks"][0])


def read_ended_task(api: httpx.Client, task_id: str) -> dict[str, Any]:
    """Return a task when it has ended; the server answers each read at that time, or after a while."""
    while (task := api.get(f"/cloud/v1/tasks/{task_id}").json())["state"] not in ("FINISHED", "ERROR"):
        pass
    ended: dict[str, Any] = task
    return ended


def read_error(api: httpx.Client, task_id: str) -> str:
    """Return the error of a task that fails."""
    return str(read_ended_task(api, task_id)["error"])


def wait_for_task(api: httpx.Client, task_id: str) -> dict[str, list[str]]:
    """Wait for a task, and return the ids of all that it has made."""
    task = read_ended_task(api, task_id)
    assert task["state"] == "FINISHED", task["error"]
    created: dict[str, list[str]] = task["created_resources"]
    return created


def find_id(api: httpx.Client, kind: str, name: str) -> str:
    """Return the id of the only resource with a name."""
    resources = api.get(f"/cloud/v1/{kind}/1/1").json()["results"]
    (resource_id,) = [resource["id"] for resource in resources if resource["name"] == name]
    return str(resource_id)


def run_dialogs(browser: Browser, *steps: dict[str, Any]) -> list[dict[str, str]]:
    """Open dialogs and submit them. Return the same as a command, and what the page shows afterwards, for each."""
    outcome = browser.run("dialogs", steps=[{**step, "path": f"{PLACE}/{step['path']}"} for step in steps])
    assert outcome["errors"] == []
    for result in outcome["results"]:
        assert result.pop("forms") == ["Command", "Python SDK", "Terraform", "curl"]
    results: list[dict[str, str]] = outcome["results"]
    return results
