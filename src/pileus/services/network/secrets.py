"""Create, delete and use secrets."""

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Invalid, NotFound
from pileus.domain.network.secrets import Secret, SecretFacts, SecretPayload, check_unused, new_secret
from pileus.domain.network.task_types import CREATE_SECRET, DELETE_SECRET, SecretTaskArgs
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import secrets


async def create_secret(tx: Tx, ctx: Context, facts: SecretFacts, payload: SecretPayload, task_id: str) -> Task:
    """Save a new secret and start the task that makes it active. Raises NotFound, Invalid or QuotaExceeded."""
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    secret = new_secret(ctx.place, ctx.new_id(), facts, payload, task_id=task_id, now=ctx.now())
    await check_quotas(tx, ctx, {"secret_count": 1})
    await secrets.add(tx, secret)
    audit_data = {"name": secret.name, "secret_type": secret.secret_type}
    entry = AuditEntry("secret", "create", secret.id, audit_data)
    args = SecretTaskArgs(secret_id=secret.id)
    return await start_task(
        tx, ctx, task_id, CREATE_SECRET, args, data={"secret_id": secret.id, **audit_data}, entry=entry
    )


async def delete_secret(tx: Tx, ctx: Context, secret_id: str, task_id: str) -> Task:
    """Lock a secret that nothing uses and start the task that deletes it. Raises NotFound, Conflict or Invalid."""
    secret = await secrets.lock(tx, ctx.place, secret_id)
    check_unused(secret.require_unlocked(), await secrets.list_uses(tx, secret_id))
    await secrets.save(tx, secret, secret.locked(task_id))
    entry = AuditEntry("secret", "delete", secret_id, name=secret.name)
    return await start_task(tx, ctx, task_id, DELETE_SECRET, SecretTaskArgs(secret_id=secret_id), entry=entry)


async def require_usable_secret(tx: Tx, ctx: Context, secret_id: str) -> Secret:
    """Return a secret for a new use; nobody deletes it until the transaction ends. Raises Conflict or Invalid."""
    try:
        secret = await secrets.get_for_use(tx, ctx.place, secret_id)
    except NotFound as problem:
        raise Invalid(f"Could not retrieve certificate: {problem}") from None
    return secret.require_usable(ctx.now())
