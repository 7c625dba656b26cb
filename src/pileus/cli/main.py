"""The `pileus` command: what it can do, and the help that teaches it."""

import click

from pileus import __version__
from pileus.cli.formatting import Group, write_table
from pileus.cli.nouns import NOUNS
from pileus.cli.options import help_for
from pileus.settings import SETTINGS

TITLE = "Settings (an option wins over a variable, a variable over the file of --config)"
SECTIONS = {
    "Run": {
        "serve": "pileus.cli.serve:serve",
        "demo": "pileus.cli.demo:demo",
        "settings": "pileus.cli.settings:settings",
        "catalog": "pileus.cli.catalog:catalog",
    },
    "Use": {word: f"pileus.cli.groups:{word}" for word in NOUNS} | {"completion": "pileus.cli.completion:completion"},
    "Operate": {
        "keys": "pileus.cli.keys:keys",
        "sim": "pileus.cli.sim:sim",
    },
}
EXAMPLES = (
    ("A cloud on http://127.0.0.1:8080, kept in a SQLite file", "pileus serve"),
    ("See the official SDK create, change and delete an instance on one", "pileus demo"),
    (
        "Elsewhere, with a database and processes to match",
        "PILEUS_DATABASE=postgresql://… pileus serve --host 0.0.0.0 --workers 4",
    ),
    ("From a file of settings", "pileus serve --config pileus.toml"),
    ("What there is on it", "pileus instances list"),
    ("A key for a pipeline, good for 30 days", "pileus keys create pipeline --role Engineers --expires 30"),
    ("Let the next instance that is made fail, to test how a client takes it", "pileus sim fail create_vm"),
)


class Pileus(Group):
    """The outermost command: its help also tells every setting."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings, then the examples."""
        write_table(formatter, TITLE, [(row.flag, help_for(row)) for row in SETTINGS])
        super().format_epilog(ctx, formatter)


@click.group(
    cls=Pileus,
    sections=SECTIONS,
    examples=EXAMPLES,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="pileus")
def pileus() -> None:
    """A compute-cloud control plane that speaks the Gcore Cloud REST API.

    `pileus serve` starts one: clients that are told its address (GCORE_BASE_URL) and a key (GCORE_API_KEY) work with
    it unchanged.
    """
