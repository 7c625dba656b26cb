"""`pileus backup` and `pileus restore`: the whole installation in one file."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pileus.cli.commands import CommandError
from pileus.cli.database_access import explain_errors, find_server_settings
from pileus.cli.db import COLUMNS
from pileus.cli.options import SettingsCommand, load_settings
from pileus.cli.output import show_table
from pileus.settings import GivenSettingValue, Settings

SETTING_NAMES = ("data", "database", "secrets_key")
BACKUP_EXAMPLES = (
    ("Back up the server that runs here", "pileus backup cloud.backup"),
    ("Put the key of its secrets into it, too", "pileus backup cloud.backup --with-secrets-key"),
    ("Back up a PostgreSQL database", "PILEUS_DATABASE=postgresql://… pileus backup cloud.backup"),
)
RESTORE_EXAMPLES = (
    ("Check a backup without restoring it", "pileus restore cloud.backup --dry-run"),
    ("Restore it into a new data directory", "pileus restore cloud.backup --data ./restored"),
    ("Replace what PostgreSQL has", "PILEUS_DATABASE=postgresql://… pileus restore cloud.backup --overwrite"),
)
T = TypeVar("T")


@click.command("backup", cls=SettingsCommand, setting_names=SETTING_NAMES, examples=BACKUP_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--with-secrets-key", is_flag=True, help="Whether to put the file of the keys of secrets into the backup."
)
@click.option("--overwrite", is_flag=True, help="Whether to replace an existing file.")
@click.pass_context
def backup(
    ctx: click.Context, given: dict[str, GivenSettingValue], *, file: Path, with_secrets_key: bool, overwrite: bool
) -> None:
    """Write a backup of everything that the database has to FILE.

    Servers may run meanwhile: the backup has every change that was acknowledged before it began, and is of one moment.
    It is restored into a temporary database and checked as `pileus db check` does before FILE appears. Only you can
    read the file.

    The backup is without the key of the secrets in it, unless you say --with-secrets-key: keep a copy of secrets.key
    apart from it. It is also without the disks of real machines, which are files below the data directory. Temporary
    files, as large as the database, are in $TMPDIR.
    """
    settings = load_settings(find_server_settings(given, SETTING_NAMES))
    from pileus.backups.snapshots import write_backup  # noqa: PLC0415  # `--help` must not load the server

    result = _run(settings, write_backup(settings, file, with_secrets_key=with_secrets_key, overwrite=overwrite))
    click.echo(f"{file}: {_describe(result.manifest)}, {result.size} bytes, sha256 {result.sha256}")
    if result.manifest.secrets_digest and not result.manifest.sha256_of_secrets_key:
        key = settings.secrets_key or settings.data / "secrets.key"
        click.echo(f"Keep a copy of {key} apart from it: the backup cannot be restored without this key.", err=True)
    _show_findings(ctx, result.findings)


@click.command("restore", cls=SettingsCommand, setting_names=SETTING_NAMES, examples=RESTORE_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--overwrite", is_flag=True, help="Whether to replace a cloud that exists.")
@click.option("--dry-run", is_flag=True, help="Check the backup, and change nothing.")
@click.pass_context
def restore(
    ctx: click.Context, given: dict[str, GivenSettingValue], *, file: Path, overwrite: bool, dry_run: bool
) -> None:
    """Restore the backup FILE into the data directory, or into a PostgreSQL database.

    A backup of one kind of database can be restored into the other. Stop the server first: the command refuses to work
    while one runs. A cloud that exists is replaced only with --overwrite. The backup is checked by its digests while it
    is read; if anything fails, nothing has changed. At the end the result is checked as `pileus db check` does.

    The key of the secrets must be there, unless the backup has it. Tasks that had not ended go on when the server
    starts.
    """
    settings = load_settings(given)
    from pileus.backups.restorations import check_backup, restore_backup  # noqa: PLC0415  # see above

    work = check_backup(file) if dry_run else restore_backup(settings, file, overwrite=overwrite)
    manifest, findings = _run(settings, work)
    click.echo(f"{'Can be restored' if dry_run else 'Restored'}: {_describe(manifest)}")
    _show_findings(ctx, findings)


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    from pileus.backups.archives import BackupError  # noqa: PLC0415  # see above

    with explain_errors(settings):
        try:
            return asyncio.run(work)
        except BackupError as problem:
            raise CommandError(str(problem)) from problem


def _describe(manifest: Any) -> str:
    version = f"Pileus {manifest.program_version} (schema {manifest.schema_version})"
    return f"{manifest.row_count} rows of {manifest.created_at} by {version}"


def _show_findings(ctx: click.Context, findings: Sequence[Any]) -> None:
    rows = [{column: getattr(finding, column) for column in COLUMNS} for finding in findings]
    show_table(rows, COLUMNS, "table", "Checked: everything is right.")
    if findings:
        click.echo("The backup is complete, but the database has these errors.", err=True)
        ctx.exit(1)
