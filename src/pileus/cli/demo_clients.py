"""The clients of `pileus demo`: the official SDK, or plain HTTP where the SDK is not installed.

Both make the calls that the SDK has, and return the published JSON.
"""

import json
import shlex
import time
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Protocol

import httpx

from pileus.cli.commands import CommandError
from pileus.cli.temporary_server import TemporaryServer

REQUESTS = {
    "cloud.instances.images.list": ("GET", "/cloud/v1/images/1/1"),
    "cloud.instances.create_and_poll": ("POST", "/cloud/v2/instances/1/1"),
    "cloud.instances.list": ("GET", "/cloud/v1/instances/1/1"),
    "cloud.instances.update": ("PATCH", "/cloud/v1/instances/1/1/{instance_id}"),
    "cloud.instances.action_and_poll": ("POST", "/cloud/v2/instances/1/1/{instance_id}/action"),
    "cloud.instances.delete_and_poll": ("DELETE", "/cloud/v1/instances/1/1/{instance_id}"),
}
"""The request of each method of the SDK that the demo calls."""
INSTANCE = "/cloud/v1/instances/1/1/{instance_id}"
TASK_TIMEOUT = 120.0
POLLING_INTERVAL = 0.1


class DemoClient(Protocol):
    """Makes the calls of the demo, and shows how to make them."""

    language: str

    def format_call(self, path: str, arguments: Mapping[str, Any]) -> str:
        """Format a call as source code."""

    def call(self, path: str, arguments: Mapping[str, Any]) -> Any:
        """Make a call, wait for its task, and return the answer as JSON. Raises CommandError."""


class SdkDemoClient:
    """The official SDK. It needs only the address and the key."""

    language = "python"

    def __init__(self, server: TemporaryServer) -> None:
        import gcore  # noqa: PLC0415  # an optional dependency

        self._sdk = gcore
        self._client = gcore.Gcore(
            api_key=server.key, base_url=server.url, cloud_project_id=1, cloud_region_id=1, polling_interval_seconds=1
        )

    def format_call(self, path: str, arguments: Mapping[str, Any]) -> str:
        """Format a call as Python source."""
        argument_lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
        return f"client.{path}(\n{argument_lines})" if argument_lines else f"client.{path}()"

    def call(self, path: str, arguments: Mapping[str, Any]) -> Any:
        """Call a method of the SDK."""
        try:
            answer = attrgetter(path)(self._client)(**arguments)
        except (self._sdk.APIError, httpx.HTTPError, ValueError, TimeoutError) as error:
            raise CommandError(f"the server refused {path}: {error}") from error
        return None if answer is None else answer.to_dict(mode="json")


class HttpDemoClient:
    """Plain HTTP requests, shown as curl commands."""

    language = "sh"

    def __init__(self, server: TemporaryServer) -> None:
        self._http = httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {server.key}"}, timeout=60)

    def format_call(self, path: str, arguments: Mapping[str, Any]) -> str:
        """Format a call as a curl command for a shell with the variables of `pileus env`."""
        method, url, body = _resolve_request(path, arguments)
        lines = [f'curl -X {method} "$GCORE_BASE_URL{url}"', '-H "Authorization: APIKey $GCORE_API_KEY"']
        return " \\\n    ".join([*lines, f"--json {shlex.quote(json.dumps(body))}"] if body else lines)

    def call(self, path: str, arguments: Mapping[str, Any]) -> Any:
        """Send the request of a method of the SDK; if it starts a task, wait and return the task's instance."""
        method, url, body = _resolve_request(path, arguments)
        answer = self._send(method, url, body)
        if "tasks" not in answer:
            return answer
        created = self._wait_for_task(answer["tasks"][0]).get("created_resources") or {}
        (instance_id,) = created.get("instances") or [arguments["instance_id"]]
        return None if method == "DELETE" else self._send("GET", INSTANCE.format(instance_id=instance_id))

    def _wait_for_task(self, task_id: str) -> Any:
        end = time.monotonic() + TASK_TIMEOUT
        while (task := self._send("GET", f"/cloud/v1/tasks/{task_id}"))["state"] != "FINISHED":
            if task["state"] == "ERROR" or time.monotonic() > end:
                raise CommandError(f"task {task_id} is in state {task['state']}: {task['error']}")
            time.sleep(POLLING_INTERVAL)
        return task

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            return self._http.request(method, url, json=body).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise CommandError(f"the server refused {method} {url}: {error}") from error


def _resolve_request(path: str, arguments: Mapping[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """Return method, URL and body of a call: what the path does not take is the body, or the query of a deletion."""
    method, template = REQUESTS[path]
    url, others = (
        template.format(**arguments),
        {key: arguments[key] for key in arguments if f"{{{key}}}" not in template},
    )
    if method == "DELETE":
        return method, str(httpx.URL(url, params=others)), None
    return method, url, others or None
