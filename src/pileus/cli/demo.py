"""`pileus demo`: shows the life cycle of an instance, through the official SDK and on a temporary server."""

import time
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import click
import httpx
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from pileus.cli.commands import CommandError, SectionedCommand
from pileus.cli.session import import_sdk
from pileus.cli.temporary_server import TemporaryServer, run_temporary_server

MISSING = "the demo needs the official SDK of the Gcore API: pip install 'pileus[sdk]'"
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
    at the end.
    """
    output = DemoOutput(Console(highlight=False))
    output.print_text("Starting a temporary server: a simulated cloud with its own database and key …")
    started = time.monotonic()
    with run_temporary_server("--simulated-time", "realistic" if realistic else "instant") as server:
        output.print_text(
            f"Ready at {server.url} after {time.monotonic() - started:.1f} s. The following calls are its only client."
        )
        demonstrate_instance_lifecycle(output, make_sdk_client(server))
    output.print_text("The server has stopped and its data are removed. Start your own with `pileus serve`.")


def make_sdk_client(server: TemporaryServer) -> Any:
    """Return the official SDK's client for a server. It needs only the address and the key."""
    return import_sdk(MISSING).Gcore(
        api_key=server.key, base_url=server.url, cloud_project_id=1, cloud_region_id=1, polling_interval_seconds=1
    )


class DemoOutput:
    """Prints each call of the client and its result."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def print_text(self, text: str) -> None:
        """Print a text between the steps."""
        self._console.print(Text(text, style="dim"))

    def call_and_print(self, title: str, client: Any, path: str, **arguments: Any) -> Any:
        """Print a call, make it, and print its duration."""
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step:>2}  ", "bold cyan"), (title, "bold")))
        code = Syntax(format_call_as_python(path, arguments), "python", theme="ansi_dark", background_color="default")
        self._console.print(Padding(code, MARGIN))
        started = time.monotonic()
        result = _invoke(client, path, arguments)
        duration = f"✓ {(time.monotonic() - started) * 1000:,.0f} ms"
        self._console.print(Padding(Text(duration, style="green"), MARGIN))
        return result

    def print_fields(self, fields: Mapping[str, Any]) -> None:
        """Print fields of a result."""
        table = Table.grid(padding=(0, 2))
        for name, value in fields.items():
            table.add_row(Text(name, style="dim"), Text(str(value)))
        self._console.print(Padding(table, MARGIN))


def demonstrate_instance_lifecycle(output: DemoOutput, client: Any) -> None:
    """Create, list, update, stop, start and delete an instance."""
    images = output.call_and_print("Choose an image", client, "cloud.instances.images.list")
    image = next((image for image in images.results if image.name.startswith("ubuntu")), images.results[0])
    output.print_fields({"images": len(images.results), "chosen": f"{image.name} ({image.id})"})
    instance = show_creation(output, client, image.id)
    all_instances = output.call_and_print("List the instances", client, "cloud.instances.list")
    output.print_fields({item.name: f"{item.status}, {item.flavor.flavor_id}" for item in all_instances.results})
    show_update(output, client, instance.id)
    for action, title in (("stop", "Stop it"), ("start", "Start it again")):
        instance_now = output.call_and_print(
            title, client, "cloud.instances.action_and_poll", instance_id=instance.id, action=action
        )
        output.print_fields({"status": f"{instance_now.status} ({instance_now.vm_state})"})
    output.call_and_print(
        "Delete it and its volume",
        client,
        "cloud.instances.delete_and_poll",
        instance_id=instance.id,
        volumes=instance.volumes[0].id,
    )
    remaining = output.call_and_print("Check that it is deleted", client, "cloud.instances.list")
    output.print_fields({"instances": remaining.count})


def show_creation(output: DemoOutput, client: Any, image_id: str) -> Any:
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
    flavor = f"{instance.flavor.flavor_id}: {instance.flavor.vcpus} vCPU, {instance.flavor.ram} MiB"
    addresses = [address.addr for network in instance.addresses.values() for address in network]
    output.print_fields(
        {
            "id": instance.id,
            "status": f"{instance.status} ({instance.vm_state})",
            "flavor": flavor,
            "addresses": ", ".join(addresses),
            "tags": format_tags(instance),
        }
    )
    return instance


def show_update(output: DemoOutput, client: Any, instance_id: str) -> None:
    """Rename the instance and change its tags in one merge patch."""
    instance = output.call_and_print(
        "Update it: a new name; change, remove (null) and add a tag",
        client,
        "cloud.instances.update",
        instance_id=instance_id,
        name="web-blue",
        tags={"env": "production", "team": None, "release": "42"},
    )
    output.print_fields({"name": instance.name, "tags": format_tags(instance)})


def format_tags(instance: Any) -> str:
    """Format an instance's tags in one line, the user's first."""
    ordered = sorted(instance.tags, key=lambda tag: (tag.read_only, tag.key))
    return ", ".join(f"{tag.key}={tag.value}{' (read-only)' * tag.read_only}" for tag in ordered)


def format_call_as_python(path: str, arguments: Mapping[str, Any]) -> str:
    """Format a call as Python source."""
    argument_lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
    return f"client.{path}(\n{argument_lines})" if argument_lines else f"client.{path}()"


def _invoke(client: Any, path: str, arguments: Mapping[str, Any]) -> Any:
    from gcore import APIError  # noqa: PLC0415  # an optional dependency

    try:
        return attrgetter(path)(client)(**arguments)
    except (APIError, httpx.HTTPError, ValueError, TimeoutError) as error:
        raise CommandError(f"the server refused {path}: {error}") from error
