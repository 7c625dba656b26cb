"""`pileus demo`: the life cycle of an instance, through the official SDK and by plain HTTP."""

import os
import subprocess
import sys

import pytest

from pileus.cli.commands import CommandError
from pileus.cli.demo_clients import HttpDemoClient, SdkDemoClient
from pileus.cli.temporary_server import TemporaryServer

NOWHERE = TemporaryServer("http://127.0.0.1:1", "1_any-secret")
WITHOUT_SDK = (
    "import sys; sys.modules['gcore'] = None; from pileus.__main__ import main; sys.argv[1:] = ['demo']; main()"
)
CALLS = {
    "with the SDK": (["-m", "pileus", "demo"], ["create_and_poll(", "update(", "delete_and_poll("]),
    "without it": (["-c", WITHOUT_SDK], ["curl -X POST", "curl -X PATCH", "curl -X DELETE", "[sdk]'"]),
}


@pytest.mark.parametrize(("command", "calls"), CALLS.values(), ids=CALLS)
def test_demo_shows_the_life_cycle_of_an_instance(command: list[str], calls: list[str]) -> None:
    # Wide enough for the path of a wheel in one line.
    environment = os.environ | {"COLUMNS": "400"}
    finished = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    expected = [*calls, "ACTIVE (active)", "web-1", "web-blue", "team=shop", "release=42", "SHUTOFF (stopped)"]
    expected += ["The server has stopped"]
    assert [text for text in expected if text not in finished.stdout] == []
    updated_tags = finished.stdout.partition("Update it")[2].partition("✓")[2].partition("tags")[2].splitlines()[0]
    assert "team" not in updated_tags
    assert "env=production" in updated_tags


def test_call_is_formatted_as_python() -> None:
    client = SdkDemoClient(NOWHERE)

    assert client.format_call("cloud.instances.list", {}) == "client.cloud.instances.list()"
    assert (
        client.format_call("a.b", {"name": "x", "tags": {"k": None}})
        == "client.a.b(\n    name='x',\n    tags={'k': None},\n)"
    )


def test_call_is_formatted_as_a_curl_command() -> None:
    client = HttpDemoClient(NOWHERE)

    assert client.format_call("cloud.instances.update", {"instance_id": "i", "name": "it's"}).splitlines() == [
        'curl -X PATCH "$GCORE_BASE_URL/cloud/v1/instances/1/1/i" \\',
        '    -H "Authorization: APIKey $GCORE_API_KEY" \\',
        """    --json '{"name": "it'"'"'s"}'""",
    ]
    assert "/i?volumes=v" in client.format_call("cloud.instances.delete_and_poll", {"instance_id": "i", "volumes": "v"})


@pytest.mark.parametrize("client", [SdkDemoClient, HttpDemoClient])
def test_a_server_that_does_not_answer_is_reported(client: type[SdkDemoClient | HttpDemoClient]) -> None:
    with pytest.raises(CommandError, match="the server refused"):
        client(NOWHERE).call("cloud.instances.list", {})
