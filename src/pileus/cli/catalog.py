"""`pileus catalog`: check a catalogue without a server, and print the bundled one."""

from importlib import resources
from pathlib import Path

import click

from pileus.cli.commands import CommandError, LazySectionedGroup, SectionedCommand

EXAMPLES = (
    ("Print the bundled catalogue, as a start for your own", "pileus catalog show"),
    ("Check the bundled catalogue, or a file if you name one", "pileus catalog check"),
)
BUNDLED = resources.files("pileus") / "catalogue.toml"


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def catalog() -> None:
    """Check and show the catalogue: what a cloud offers.

    A catalogue is a TOML file with flavors, images, volume types, prices, quotas and public addresses.
    """


@catalog.command("check", cls=SectionedCommand, examples=EXAMPLES[1:])
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_catalogue(file: Path | None) -> None:
    """Check a catalogue and list every wrong key by its path. No server is needed.

    Without FILE the bundled catalogue is checked.
    """
    from pileus.domain.catalogue import parse_catalogue  # noqa: PLC0415  # only this command parses a catalogue
    from pileus.domain.errors import Invalid  # noqa: PLC0415  # only this command parses a catalogue
    from pileus.region_drivers import plan_region_drivers  # noqa: PLC0415  # only this command loads drivers
    from pileus.settings import Settings  # noqa: PLC0415  # only this command needs them

    try:
        catalogue = parse_catalogue(_read(file))
        plan_region_drivers(Settings(), catalogue)
    except Invalid as error:
        raise CommandError(str(error)) from None
    summary = f"{len(catalogue.regions)} regions, {len(catalogue.flavors)} flavors, {len(catalogue.images)} images"
    click.echo(f"The catalogue is right: {summary}, {len(catalogue.quotas)} quotas.")


@catalog.command("show", cls=SectionedCommand, examples=EXAMPLES[:1])
def print_bundled_catalogue() -> None:
    """Print the bundled catalogue as TOML."""
    click.echo(BUNDLED.read_text("utf-8"), nl=False)


def _read(file: Path | None) -> str:
    try:
        return BUNDLED.read_text("utf-8") if file is None else file.read_text("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not a text in UTF-8") from None
