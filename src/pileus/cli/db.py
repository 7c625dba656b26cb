"""`pileus db`: check the database, and show its status."""

import click

from pileus.cli.commands import LazySectionedGroup
from pileus.cli.database_access import DATABASE, run_with_database
from pileus.cli.options import SettingsCommand
from pileus.cli.output import add_output_option, show_table
from pileus.settings import GivenSettingValue

COLUMNS = ("check", "subject", "problem")
STATUS_COLUMNS = ("subject", "state", "details")
EXAMPLES = (
    ("Check the database of the server that runs here", "pileus db check"),
    ("Correct the counts in a PostgreSQL database", "PILEUS_DATABASE=postgresql://… pileus db check --repair"),
)
STATUS_EXAMPLES = (("Show which process reconciles each region", "PILEUS_DATABASE=postgresql://… pileus db status"),)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def db() -> None:
    """Check what is stored in the database, and show its status.

    These commands use the database directly. Without options they find the server that you run on this machine;
    otherwise they need its --data or --database setting.
    """


@db.command("check", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES)
@click.option("--repair", is_flag=True, help="Count again what is counted wrongly.")
@add_output_option
@click.pass_context
def check_database(ctx: click.Context, given: dict[str, GivenSettingValue], *, repair: bool, output: str) -> None:
    """Check counts, references and locks.

    The server keeps counts of resources, so that quotas, capacities and lists need not count tables: `count` findings
    are those that are wrong. A `reference` names a record that does not exist. A `lock` belongs to a task that does not
    run, so the resource cannot be changed.

    Servers may run meanwhile. The exit status is 1 if something is wrong. With --repair, the counts that are wrong are
    shown and corrected, and the exit status is 1 only if something else is wrong. References and locks are never
    changed: they are signs of an error that you should report.
    """
    findings = run_with_database(
        given,
        lambda app, settings: app.open_database_checks(settings),
        lambda checks: checks.repair() if repair else checks.find_all(),
    )
    rows = [{column: getattr(finding, column) for column in COLUMNS} for finding in findings]
    show_table(rows, COLUMNS, output, "Everything is right.")
    if not all(repair and finding.is_repairable for finding in findings):
        ctx.exit(1)


@db.command("status", cls=SettingsCommand, setting_names=DATABASE, examples=STATUS_EXAMPLES)
@add_output_option
def show_database_status(given: dict[str, GivenSettingValue], *, output: str) -> None:
    """Show the version of the schema, the homes of regions, and the processes that hold leases.

    The home of a region is the data directory with its machines.

    A lease belongs to a job that one process at a time does for all servers of the database, such as reconciling a
    region. When a process dies, its leases expire, and another process takes them. The database is not changed, also
    if its schema is older than this program.
    """
    lines = run_with_database(
        given, lambda app, settings: app.open_database_status(settings), lambda status: status.read()
    )
    show_table([{column: getattr(line, column) for column in STATUS_COLUMNS} for line in lines], STATUS_COLUMNS, output)
