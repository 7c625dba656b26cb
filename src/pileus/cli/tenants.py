"""`pileus tenants`: tenants and their keys, on a running server, as an operator."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pileus.cli.commands import LazySectionedGroup, SectionedCommand
from pileus.cli.control import ControlClient
from pileus.cli.keys import ROLES, add_grace_option, key_state, print_new_token, print_token
from pileus.cli.output import add_output_option, show_table
from pileus.cli.sim import add_server_options

PAGE = 1000
TENANT_COLUMNS = ("id", "name", "state", "created_at", "suspended_at")
KEY_COLUMNS = ("id", "name", "role", "state", "created_at", "expires_at", "previous_expires_at", "revoked_at")
USER_COLUMNS = ("id", "email", "role", "can_log_in", "created_at")
EXAMPLES = (
    ("Create a tenant", "pileus tenants create acme"),
    ("Create an administrator's key of tenant 2 for 90 days", "pileus tenants create-key 2 terraform --expires 90"),
    ("Replace the token of key 7; the old one stays valid for a day", "pileus tenants rotate-key 2 7 --grace 24"),
    ("Revoke key 7", "pileus tenants revoke-key 2 7"),
    ("Rename tenant 2", "pileus tenants rename 2 acme-europe"),
    ("Refuse the keys and logins of tenant 2; its machines go on", "pileus tenants suspend 2"),
    ("Delete tenant 2, which has nothing any more", "pileus tenants delete 2"),
)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def tenants() -> None:
    """Create, rename, suspend, resume and delete tenants, and their keys.

    The commands use a running server and need an operator's key: GCORE_BASE_URL and GCORE_API_KEY as `pileus serve`
    prints them. `pileus keys` and `pileus users` work without a server, directly in the database.
    """


@tenants.command("list", cls=SectionedCommand)
@add_output_option
@add_server_options
def list_all_tenants(control: ControlClient, output: str) -> None:
    """List the tenants."""
    rows = [
        tenant | {"state": "suspended" if tenant["suspended_at"] else "active"}
        for tenant in _read_all(control, "/tenants")
    ]
    show_table(rows, TENANT_COLUMNS, output)


@tenants.command("create", cls=SectionedCommand, examples=EXAMPLES[:1])
@click.argument("name")
@add_server_options
def create_named_tenant(control: ControlClient, name: str) -> None:
    """Create a tenant with the name NAME and print its number."""
    client = control.call("POST", "/tenants", {"name": name})
    click.echo(f"Tenant {name} is created. Create a key: pileus tenants create-key {client['id']} NAME", err=True)
    click.echo(client["id"])


@tenants.command("rename", cls=SectionedCommand, examples=EXAMPLES[4:5])
@click.argument("tenant", type=int)
@click.argument("name")
@add_server_options
def rename_numbered_tenant(control: ControlClient, tenant: int, name: str) -> None:
    """Give a TENANT another NAME."""
    control.call("PATCH", f"/tenants/{tenant}", {"name": name})
    click.echo(f"Tenant {tenant} is renamed to {name}.")


@tenants.command("suspend", cls=SectionedCommand, examples=EXAMPLES[5:6])
@click.argument("tenant", type=int)
@add_server_options
def suspend_numbered_tenant(control: ControlClient, tenant: int) -> None:
    """Refuse the keys and logins of a TENANT. Its machines, schedules and tasks go on.

    No server process accepts the keys and logins when the command ends.
    """
    control.call("POST", f"/tenants/{tenant}/suspend")
    click.echo(f"Tenant {tenant} is suspended.")


@tenants.command("resume", cls=SectionedCommand)
@click.argument("tenant", type=int)
@add_server_options
def resume_numbered_tenant(control: ControlClient, tenant: int) -> None:
    """Give a suspended TENANT access again, with the keys and logins that it had."""
    control.call("POST", f"/tenants/{tenant}/resume")
    click.echo(f"Tenant {tenant} has access again.")


@tenants.command("delete", cls=SectionedCommand, examples=EXAMPLES[6:])
@click.argument("tenant", type=int)
@add_server_options
def delete_empty_tenant(control: ControlClient, tenant: int) -> None:
    """Delete a TENANT that has no resources and only its default project.

    Its keys are revoked and its users cannot log in any more: no server process accepts them when the command ends. Its
    audit log and usage are kept as long as those of others.
    """
    control.call("DELETE", f"/tenants/{tenant}")
    click.echo(f"Tenant {tenant} is deleted.")


@tenants.command("users", cls=SectionedCommand)
@click.argument("tenant", type=int)
@add_output_option
@add_server_options
def list_users_of_tenant(control: ControlClient, tenant: int, output: str) -> None:
    """List the users of a TENANT. `pileus users` creates them."""
    show_table(_read_all(control, f"/tenants/{tenant}/users"), USER_COLUMNS, output)


@tenants.command("keys", cls=SectionedCommand)
@click.argument("tenant", type=int)
@add_output_option
@add_server_options
def list_keys_of_tenant(control: ControlClient, tenant: int, output: str) -> None:
    """List the keys of a TENANT, revoked and expired ones included."""
    keys, now = _read_all(control, f"/tenants/{tenant}/keys"), control.find_time()
    rows = [key | {"state": key_state(_with_times(key), now)} for key in keys]
    show_table(rows, KEY_COLUMNS, output, "The tenant has no keys.")


@tenants.command("create-key", cls=SectionedCommand, examples=EXAMPLES[1:2])
@click.argument("tenant", type=int)
@click.argument("name")
@click.option(
    "--role", type=click.Choice(ROLES), default="Administrators", show_default=True, help="The role of the key."
)
@click.option(
    "--expires",
    type=click.IntRange(min=1, max=36500),
    metavar="DAYS",
    help="The number of days until it expires; default: never.",
)
@add_output_option
@add_server_options
def create_key_of_tenant(
    control: ControlClient, tenant: int, name: str, role: str, expires: int | None, output: str
) -> None:
    """Create a key of a TENANT with the name NAME and print its token.

    The token cannot be shown again.
    """
    expires_at = None if expires is None else (control.find_time() + timedelta(days=expires)).isoformat()
    body = {"name": name, "role": role, "expires_at": expires_at}
    key = control.call("POST", f"/tenants/{tenant}/keys", body)
    print_token(name, role, key["token"], output)


@tenants.command("rotate-key", cls=SectionedCommand, examples=EXAMPLES[2:3])
@click.argument("tenant", type=int)
@click.argument("number", type=int)
@add_grace_option
@add_server_options
def rotate_key_of_tenant(control: ControlClient, tenant: int, number: int, grace: int) -> None:
    """Replace the token of the key NUMBER of a TENANT and print the new one.

    The new token cannot be shown again. Without --grace no server process accepts the old one when the command ends.
    """
    key = control.call("POST", f"/tenants/{tenant}/keys/{number}/rotate", {"grace_seconds": grace * 3600})
    print_new_token(number, key["token"])


@tenants.command("revoke-key", cls=SectionedCommand, examples=EXAMPLES[3:4])
@click.argument("tenant", type=int)
@click.argument("number", type=int)
@add_server_options
def revoke_key_of_tenant(control: ControlClient, tenant: int, number: int) -> None:
    """Revoke the key NUMBER of a TENANT.

    No server process accepts it when the command ends.
    """
    control.call("DELETE", f"/tenants/{tenant}/keys/{number}")
    click.echo(f"Key {number} is revoked.")


def _with_times(key: dict[str, Any]) -> dict[str, Any]:
    return {
        name: key[name] and datetime.fromisoformat(key[name]).replace(tzinfo=UTC)
        for name in ("expires_at", "revoked_at")
    }


def _read_all(control: ControlClient, path: str) -> list[dict[str, Any]]:
    """Return the items of all pages of a list."""
    items: list[dict[str, Any]] = []
    while True:
        page = control.call("GET", f"{path}?limit={PAGE}&offset={len(items)}")
        items += page["results"]
        if not page["results"] or len(items) >= page["count"]:
            return items
