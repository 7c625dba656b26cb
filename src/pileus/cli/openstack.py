"""`pileus openstack`: compare an OpenStack cloud with a catalogue, and write a catalogue of what a cloud offers."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pileus.cli.catalog import BUNDLED
from pileus.cli.commands import CommandError, LazySectionedGroup
from pileus.cli.options import SettingsCommand, load_settings
from pileus.install_hints import install_command
from pileus.settings import GivenSettingValue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pileus.domain.catalogue import Catalogue
    from pileus.drivers.openstack.cloud import OpenstackCloud

T = TypeVar("T")
CHECK_EXAMPLES = (
    (
        "Compare the cloud `lab` of clouds.yaml with a catalogue",
        "pileus openstack check --openstack-cloud lab lab.toml",
    ),
)
CATALOGUE_EXAMPLES = (
    ("Write a catalogue of what the cloud `lab` offers", "pileus openstack catalogue --openstack-cloud lab > lab.toml"),
)
SETTINGS = ("openstack_config", "openstack_cloud", "openstack_region", "openstack_request_timeout")
REPLACED = ("default_region", "regions", "flavors", "volume_types", "images", "networks", "app_templates")
"""The sections of the bundled catalogue that a cloud's offer replaces."""


@click.group(cls=LazySectionedGroup, examples=CHECK_EXAMPLES + CATALOGUE_EXAMPLES)
def openstack() -> None:
    """Prepare an existing OpenStack cloud for the driver `openstack`."""


@openstack.command("check", cls=SettingsCommand, setting_names=SETTINGS, examples=CHECK_EXAMPLES)
@click.argument("catalogue", type=click.Path(path_type=Path))
def check_cloud(given: dict[str, GivenSettingValue], catalogue: Path) -> None:
    """List what the file CATALOGUE names and the cloud has not. The exit code is 1 if anything is missing."""
    try:
        parsed = _parse(catalogue.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandError(f"{catalogue} cannot be read: {problem}") from None

    async def find(cloud: "OpenstackCloud") -> tuple[list[str], list[str]]:
        from pileus.drivers.openstack.checks import (  # noqa: PLC0415  # `--help` must not load the driver
            find_missing,
            find_notes,
        )

        return await find_missing(cloud, parsed), await find_notes(cloud, parsed)

    missing, notes = _run(given, find)
    for line in notes:
        click.echo(f"note: {line}", err=True)
    for line in missing:
        click.echo(f"missing: {line}")
    if missing:
        raise CommandError(f"The cloud lacks {len(missing)} of what {catalogue} names")
    click.echo("The cloud has all that the catalogue names.")


@openstack.command("catalogue", cls=SettingsCommand, setting_names=SETTINGS, examples=CATALOGUE_EXAMPLES)
def print_catalogue(given: dict[str, GivenSettingValue]) -> None:
    """Print a catalogue with one region and all that the cloud offers, as TOML. Its prices are zero."""

    async def make(cloud: "OpenstackCloud") -> str:
        from pileus.drivers.openstack.offers import catalogue_sections, list_offer  # noqa: PLC0415  # see check_cloud

        return catalogue_text(catalogue_sections(await list_offer(cloud), cloud.region_name or "openstack"))

    text = _run(given, make)
    _parse(text)
    click.echo(text, nl=False)


def catalogue_text(sections: dict[str, Any]) -> str:
    """Return the bundled catalogue with other sections, as TOML."""
    import tomllib  # noqa: PLC0415  # only this command reads TOML as data

    bundled = tomllib.loads(BUNDLED.read_text("utf-8"))
    kept = {name: value for name, value in bundled.items() if name not in REPLACED}
    return _toml_text(kept | sections)


def _toml_text(catalogue: dict[str, Any]) -> str:
    """Return TOML: first plain keys, then tables, then lists of tables."""
    plain = [f"{name} = {_toml_value(value)}" for name, value in catalogue.items() if not _is_table(value)]
    tables = [
        "\n".join([f"\n[{name}]", *(f"{key} = {_toml_value(inner)}" for key, inner in value.items())])
        for name, value in catalogue.items()
        if isinstance(value, dict)
    ]
    lists = [
        "\n".join([f"\n[[{name}]]", *(f"{key} = {_toml_value(inner)}" for key, inner in item.items())])
        for name, value in catalogue.items()
        if isinstance(value, list)
        for item in value
    ]
    return "\n".join([*plain, *tables, *lists]) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, dict | list)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return json.dumps(value)


def _parse(text: str) -> "Catalogue":
    from pileus.domain.catalogue import parse_catalogue  # noqa: PLC0415  # see check_cloud
    from pileus.domain.errors import Invalid  # noqa: PLC0415  # see check_cloud

    try:
        return parse_catalogue(text)
    except Invalid as error:
        raise CommandError(str(error)) from None


def _run(given: dict[str, GivenSettingValue], work: "Callable[[OpenstackCloud], Awaitable[T]]") -> T:
    try:
        from pileus.drivers.openstack.cloud import OpenstackCloud  # noqa: PLC0415  # see check_cloud
        from pileus.drivers.protocols.errors import DriverError  # noqa: PLC0415  # see check_cloud
    except ModuleNotFoundError:
        raise CommandError(f"This needs openstacksdk: {install_command('openstack')}") from None
    settings: Any = load_settings(given).driver_settings("openstack")

    async def run() -> T:
        cloud = OpenstackCloud(settings)
        try:
            return await work(cloud)
        finally:
            cloud.close()

    try:
        return asyncio.run(run())
    except (OSError, DriverError) as problem:
        raise CommandError(str(problem)) from problem
