"""`pileus demo`: the official SDK goes through an instance's life on a server of its own, each step shown."""

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

from pileus.cli.formatting import Command, Failure
from pileus.cli.session import sdk
from pileus.cli.temporary_server import Trial, trial

MISSING = "the demo needs the official SDK of the Gcore API: pip install 'pileus[sdk]'"
MARGIN = (0, 0, 0, 4)
EXAMPLES = (
    ("The whole life of an instance", "pileus demo"),
    ("… with machines that take as long as real ones", "pileus demo --realistic"),
)


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--realistic", is_flag=True, help="Let machines take as long as real ones do.")
def demo(*, realistic: bool) -> None:
    """See the official SDK create, list, update, stop, start and delete an instance.

    Starts a server on a free port with a directory of its own, shows each call and what came back, and leaves nothing
    behind.
    """
    stage = Stage(Console(highlight=False))
    stage.say("Starting a server: a simulated cloud, with a database and a key of its own …")
    started = time.monotonic()
    with trial("--simulated-time", "realistic" if realistic else "instant") as found:
        stage.say(f"Ready at {found.url} after {time.monotonic() - started:.1f} s. What follows is its only client.")
        life(stage, client_of(found))
    stage.say("The server has stopped, and nothing is left of it. Your own: `pileus serve`.")


def client_of(found: Trial) -> Any:
    """The official SDK's client, which is told the address and the key, and nothing else that is ours."""
    return sdk(MISSING).Gcore(
        api_key=found.key, base_url=found.url, cloud_project_id=1, cloud_region_id=1, polling_interval_seconds=1
    )


class Stage:
    """Shows calls and their answers; what is shown is what is called."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def say(self, text: str) -> None:
        """Tell something between the steps."""
        self._console.print(Text(text, style="dim"))

    def call(self, title: str, client: Any, path: str, **arguments: Any) -> Any:
        """Show a call, make it, and say how long it took."""
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step:>2}  ", "bold cyan"), (title, "bold")))
        code = Syntax(written(path, arguments), "python", theme="ansi_dark", background_color="default")
        self._console.print(Padding(code, MARGIN))
        started = time.monotonic()
        answer = _made(client, path, arguments)
        took = f"✓ {(time.monotonic() - started) * 1000:,.0f} ms"
        self._console.print(Padding(Text(took, style="green"), MARGIN))
        return answer

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Show what came back."""
        table = Table.grid(padding=(0, 2))
        for name, value in facts.items():
            table.add_row(Text(name, style="dim"), Text(str(value)))
        self._console.print(Padding(table, MARGIN))


def life(stage: Stage, client: Any) -> None:
    """Go through an instance's life."""
    images = stage.call("Choose an image", client, "cloud.instances.images.list")
    image = next((one for one in images.results if one.name.startswith("ubuntu")), images.results[0])
    stage.facts({"images": len(images.results), "chosen": f"{image.name} ({image.id})"})
    made = create(stage, client, image.id)
    everything = stage.call("List what there is", client, "cloud.instances.list")
    stage.facts({one.name: f"{one.status}, {one.flavor.flavor_id}" for one in everything.results})
    update(stage, client, made.id)
    for action, title in (("stop", "Switch it off"), ("start", "Switch it on again")):
        now = stage.call(title, client, "cloud.instances.action_and_poll", instance_id=made.id, action=action)
        stage.facts({"status": f"{now.status} ({now.vm_state})"})
    stage.call(
        "Delete it, and its volume",
        client,
        "cloud.instances.delete_and_poll",
        instance_id=made.id,
        volumes=made.volumes[0].id,
    )
    left = stage.call("See that it is gone", client, "cloud.instances.list")
    stage.facts({"instances": left.count})


def create(stage: Stage, client: Any, image_id: str) -> Any:
    """Make an instance with a disk and a public address."""
    made = stage.call(
        "Create an instance with a disk and a public address, and wait until it runs",
        client,
        "cloud.instances.create_and_poll",
        name="web-1",
        flavor="g1-standard-1-2",
        volumes=[{"source": "image", "image_id": image_id, "size": 10, "boot_index": 0}],
        interfaces=[{"type": "external"}],
        tags={"env": "staging", "team": "shop"},
    )
    flavor = f"{made.flavor.flavor_id}: {made.flavor.vcpus} vCPU, {made.flavor.ram} MiB"
    addresses = [one.addr for network in made.addresses.values() for one in network]
    stage.facts(
        {
            "id": made.id,
            "status": f"{made.status} ({made.vm_state})",
            "flavor": flavor,
            "addresses": ", ".join(addresses),
            "tags": tags(made),
        }
    )
    return made


def update(stage: Stage, client: Any, instance_id: str) -> None:
    """Rename the instance and change its tags in one merge patch."""
    changed = stage.call(
        "Update it: a new name; one tag changed, one removed (null), one added",
        client,
        "cloud.instances.update",
        instance_id=instance_id,
        name="web-blue",
        tags={"env": "production", "team": None, "release": "42"},
    )
    stage.facts({"name": changed.name, "tags": tags(changed)})


def tags(instance: Any) -> str:
    """An instance's tags in a line, the user's first."""
    ordered = sorted(instance.tags, key=lambda tag: (tag.read_only, tag.key))
    return ", ".join(f"{tag.key}={tag.value}{' (read-only)' * tag.read_only}" for tag in ordered)


def written(path: str, arguments: Mapping[str, Any]) -> str:
    """A call as it stands in a program."""
    inside = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
    return f"client.{path}(\n{inside})" if inside else f"client.{path}()"


def _made(client: Any, path: str, arguments: Mapping[str, Any]) -> Any:
    from gcore import APIError  # noqa: PLC0415  # see `client_of`

    try:
        return attrgetter(path)(client)(**arguments)
    except (APIError, httpx.HTTPError, ValueError, TimeoutError) as failure:
        raise Failure(f"the server refused {path}: {failure}") from failure
