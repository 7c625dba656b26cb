"""`pileus demo`: shows the life cycle of an instance, through the official SDK and on a temporary server."""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from pileus.cli.commands import SectionedCommand
from pileus.cli.demo_clients import DemoClient, HttpDemoClient, SdkDemoClient
from pileus.cli.temporary_server import TemporaryServer, run_temporary_server
from pileus.install_hints import install_command

MARGIN = (0, 0, 0, 4)
EXAMPLES = (
    ("Show the life cycle of an instance", "pileus demo"),
    ("Show it with realistic start and stop times", "pileus demo --realistic"),
)


@click.command(cls=SectionedCommand, examples=EXAMPLES)
@click.option("--realistic", is_flag=True, help="Simulate the start and stop times of real machines.")
def demo(*, realistic: bool) -> None:
    """Show the official SDK create, list, update, stop, start and delete an instance.

    Starts a server on a free port with a temporary directory, shows each call and its result, and removes everything
    at the end. Without the SDK it shows the same calls as HTTP requests.
    """
    output = DemoOutput(Console(highlight=False))
    output.print_text("Starting a temporary server: a simulated cloud with its own database and key …")
    started = time.monotonic()
    with run_temporary_server("--simulated-time", "realistic" if realistic else "instant") as server:
        output.print_text(
            f"Ready at {server.url} after {time.monotonic() - started:.1f} s. The following calls are its only client."
        )
        demonstrate_instance_lifecycle(output, make_client(output, server))
    output.print_text("The server has stopped and its data are removed. Start your own with `pileus serve`.")


def make_client(output: "DemoOutput", server: TemporaryServer) -> DemoClient:
    """Return the official SDK, or plain HTTP with a note of how to install the SDK."""
    if find_spec("gcore"):
        return SdkDemoClient(server)
    output.print_text(
        f"The official SDK is not installed, so they are HTTP requests. With it: {install_command('sdk')}"
    )
    return HttpDemoClient(server)


class DemoOutput:
    """Prints each call of the client and its result."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def print_text(self, text: str) -> None:
        """Print a text between the steps."""
        self._console.print(Text(text, style="dim"))

    def call_and_print(self, title: str, client: DemoClient, path: str, **arguments: Any) -> Any:
        """Print a call, make it, and print its duration."""
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step:>2}  ", "bold cyan"), (title, "bold")))
        source = client.format_call(path, arguments)
        code = Syntax(source, client.language, theme="ansi_dark", background_color="default", word_wrap=True)
        self._console.print(Padding(code, MARGIN))
        started = time.monotonic()
        result = client.call(path, arguments)
        duration = f"✓ {(time.monotonic() - started) * 1000:,.0f} ms"
        self._console.print(Padding(Text(duration, style="green"), MARGIN))
        return result

    def print_fields(self, fields: Mapping[str, Any]) -> None:
        """Print fields of a result."""
        table = Table.grid(padding=(0, 2))
        for name, value in fields.items():
            table.add_row(Text(name, style="dim"), Text(str(value)))
        self._console.print(Padding(table, MARGIN))


def demonstrate_instance_lifecycle(output: DemoOutput, client: DemoClient) -> None:
    """Create, list, update, stop, start and delete an instance."""
    images = output.call_and_print("Choose an image", client, "cloud.instances.images.list")
    results = images["results"]
    image = next((image for image in results if image["name"].startswith("ubuntu")), results[0])
    output.print_fields({"images": len(results), "chosen": f"{image['name']} ({image['id']})"})
    instance = show_creation(output, client, image["id"])
    all_instances = output.call_and_print("List the instances", client, "cloud.instances.list")
    output.print_fields(
        {item["name"]: f"{item['status']}, {item['flavor']['flavor_id']}" for item in all_instances["results"]}
    )
    show_update(output, client, instance["id"])
    for action, title in (("stop", "Stop it"), ("start", "Start it again")):
        instance_now = output.call_and_print(
            title, client, "cloud.instances.action_and_poll", instance_id=instance["id"], action=action
        )
        output.print_fields({"status": format_status(instance_now)})
    output.call_and_print(
        "Delete it and its volume",
        client,
        "cloud.instances.delete_and_poll",
        instance_id=instance["id"],
        volumes=instance["volumes"][0]["id"],
    )
    remaining = output.call_and_print("Check that it is deleted", client, "cloud.instances.list")
    output.print_fields({"instances": remaining["count"]})


def show_creation(output: DemoOutput, client: DemoClient, image_id: str) -> Any:
    """Create an instance with a volume and a public address."""
    instance = output.call_and_print(
        "Create an instance with a volume and a public address, and wait until it is active",
        client,
        "cloud.instances.create_and_poll",
        name="web-1",
        flavor="g1-standard-1-2",
        volumes=[{"source": "image", "image_id": image_id, "size": 10, "boot_index": 0}],
        interfaces=[{"type": "external"}],
        tags={"env": "staging", "team": "shop"},
    )
    flavor = "{flavor_id}: {vcpus} vCPU, {ram} MiB".format_map(instance["flavor"])
    addresses = [address["addr"] for network in instance["addresses"].values() for address in network]
    output.print_fields(
        {
            "id": instance["id"],
            "status": format_status(instance),
            "flavor": flavor,
            "addresses": ", ".join(addresses),
            "tags": format_tags(instance),
        }
    )
    return instance


def show_update(output: DemoOutput, client: DemoClient, instance_id: str) -> None:
    """Rename the instance and change its tags in one merge patch."""
    instance = output.call_and_print(
        "Update it: a new name; change, remove (null) and add a tag",
        client,
        "cloud.instances.update",
        instance_id=instance_id,
        name="web-blue",
        tags={"env": "production", "team": None, "release": "42"},
    )
    output.print_fields({"name": instance["name"], "tags": format_tags(instance)})


def format_tags(instance: Mapping[str, Any]) -> str:
    """Format an instance's tags in one line, the user's first."""
    ordered = sorted(instance["tags"], key=lambda tag: (tag["read_only"], tag["key"]))
    return ", ".join(f"{tag['key']}={tag['value']}{' (read-only)' * tag['read_only']}" for tag in ordered)


def format_status(instance: Mapping[str, Any]) -> str:
    """Format an instance's status with the state of its machine."""
    return f"{instance['status']} ({instance['vm_state']})"
