"""The `pileus` command: its sections, examples and settings."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from pileus import __version__
from pileus.cli.commands import LazySectionedGroup, print_error, show_click_error, write_examples
from pileus.cli.completion import VARIABLE
from pileus.cli.exit_codes import INTERRUPTED
from pileus.cli.resource_kinds import RESOURCE_KINDS

SETTINGS_HINT = (
    "Settings are options of `pileus serve`, or variables, or keys of a file: `pileus serve --help` lists them, and"
    " `pileus settings` shows those in force."
)
SECTIONS = {
    "Run": {
        "serve": "pileus.cli.serve:serve",
        "env": "pileus.cli.env:env",
        "console": "pileus.cli.web_console:web_console",
        "demo": "pileus.cli.demo:demo",
        "settings": "pileus.cli.settings:settings",
        "catalog": "pileus.cli.catalog:catalog",
        "openstack": "pileus.cli.openstack:openstack",
    },
    "Use": {word: f"pileus.cli.resource_groups:{word}" for word in RESOURCE_KINDS}
    | {
        "api": "pileus.cli.api:api",
        "context": "pileus.cli.context:context",
        "completion": "pileus.cli.completion:completion",
    },
    "Operate": {
        "operators": "pileus.cli.operators:operators",
        "tenants": "pileus.cli.tenants:tenants",
        "keys": "pileus.cli.keys:keys",
        "users": "pileus.cli.users:users",
        "adopt": "pileus.cli.adopt:adopt",
        "db": "pileus.cli.db:db",
        "backup": "pileus.cli.backups:backup",
        "restore": "pileus.cli.backups:restore",
        "sim": "pileus.cli.sim:sim",
        "state": "pileus.cli.state:state",
        "requests": "pileus.cli.requests:requests",
    },
}
EXAMPLES = (
    ("Serve a cloud on http://127.0.0.1:8080, with a SQLite database", "pileus serve"),
    ("Show the official SDK create, update and delete an instance", "pileus demo"),
    (
        "Serve on all addresses, with PostgreSQL and four processes",
        "PILEUS_DATABASE=postgresql://… pileus serve --host 0.0.0.0 --workers 4",
    ),
    ("Configure every official client in this shell for the server of `pileus serve`", 'eval "$(pileus env)"'),
    ("Read the settings from a file", "pileus serve --config pileus.toml"),
    ("List the instances", "pileus instances list"),
    ("Create a key for a pipeline, valid for 30 days", "pileus keys create pipeline --role Engineers --expires 30"),
    ("Let the next creation of an instance fail, to test a client", "pileus sim fail create_vm"),
)


class RootGroup(LazySectionedGroup):
    """The root command. Its help begins with the examples, and it prints all errors in one form."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  # click's own signature
        **extra: Any,
    ) -> Any:
        """Run a command line, and exit with the code that docs/cli.md documents."""
        if os.environ.get("NO_COLOR"):
            extra.setdefault("color", False)
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        # click returns the code of `ctx.exit` as a result.
        result = run_printing_errors(run)
        sys.exit(result if isinstance(result, int) else 0)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the text, then the examples: below the commands they would be off the screen."""
        super().format_help_text(ctx, formatter)
        write_examples(formatter, self.examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's own signature
        """Write where the settings are: they are options of other commands."""
        formatter.write_paragraph()
        formatter.write_text(SETTINGS_HINT)


def run_printing_errors(run: Callable[[], Any]) -> Any:
    """Run a command line. An error is printed and ends the program with its exit code."""
    try:
        return run()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        show_click_error(error)
        sys.exit(error.exit_code)
    except click.Abort:
        print_error("interrupted")
        sys.exit(INTERRUPTED)
    except Exception:
        if VARIABLE not in os.environ:
            raise
        # A completion that fails offers nothing: the user is in the middle of a line.
        sys.exit(0)


@click.group(
    cls=RootGroup,
    sections=SECTIONS,
    examples=EXAMPLES,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="pileus")
def pileus() -> None:
    """A compute-cloud control plane that serves the Gcore Cloud REST API.

    `pileus serve` starts the server. Existing clients work with it unchanged if they have its address and a key:
    `pileus env` prints the variables that they read.
    """
