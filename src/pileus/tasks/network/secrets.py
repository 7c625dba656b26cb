"""Create and delete secrets: only the database keeps them."""

from pileus.domain.network.task_types import CREATE_SECRET, DELETE_SECRET, SecretTaskArgs
from pileus.domain.tasks import created_resources_by_kind
from pileus.store.database import Tx
from pileus.store.network import secrets
from pileus.tasks.operation import CreatedResources, Operation, TaskContext


async def _save_active(tx: Tx, ctx: TaskContext[SecretTaskArgs]) -> CreatedResources:
    await _unlock(tx, ctx)
    return created_resources_by_kind(secrets=[ctx.args.secret_id])


async def _unlock(tx: Tx, ctx: TaskContext[SecretTaskArgs]) -> None:
    secret = await secrets.require(tx, ctx.args.secret_id)
    await secrets.save(tx, secret, secret.unlocked())


async def _remove(tx: Tx, ctx: TaskContext[SecretTaskArgs]) -> None:
    await secrets.remove(tx, ctx.args.secret_id)


OPERATIONS = (
    Operation(CREATE_SECRET, steps=(), done=_save_active, failed=_remove),
    Operation(DELETE_SECRET, steps=(), done=_remove, failed=_unlock),
)
