"""`pileus catalog`: look a catalogue over before a server is started with it, and show the one that comes along."""

from importlib import resources
from pathlib import Path

import click

from pileus.cli.formatting import Command, Failure, Group

EXAMPLES = (
    ("The one that comes along, to begin one of your own with", "pileus catalog show"),
    ("Whether it is right; name a file to check that", "pileus catalog check"),
)
OWN = resources.files("pileus") / "catalogue.toml"


@click.group(cls=Group, examples=EXAMPLES)
def catalog() -> None:
    """Check and show what a cloud offers.

    That is sizes, images, kinds of disks, prices, quotas and public addresses, in one TOML file.
    """


@catalog.command(cls=Command, examples=EXAMPLES[1:])
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path | None) -> None:
    """Say whether a catalogue is right; where it is not, name every wrong key by its path. No server is needed.

    Without FILE it is the one that comes with Pileus.
    """
    from pileus.domain.catalogue import parse_catalogue  # noqa: PLC0415  # only this command reads one
    from pileus.domain.errors import Invalid  # noqa: PLC0415

    try:
        found = parse_catalogue(_text(file))
    except Invalid as error:
        raise Failure(str(error)) from None
    told = f"{len(found.regions)} regions, {len(found.flavors)} flavors, {len(found.images)} images"
    click.echo(f"The catalogue is right: {told}, {len(found.quotas)} quotas.")


@catalog.command(cls=Command, examples=EXAMPLES[:1])
def show() -> None:
    """Print the catalogue that comes with Pileus, as TOML."""
    click.echo(OWN.read_text("utf-8"), nl=False)


def _text(file: Path | None) -> str:
    try:
        return OWN.read_text("utf-8") if file is None else file.read_text("utf-8")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not a text in UTF-8") from None
