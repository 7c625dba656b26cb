"""Start the tasks that change the tags of load balancers."""

from collections.abc import Mapping

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.load_balancers.task_types import (
    DELETE_LOAD_BALANCER_TAG,
    REPLACE_LOAD_BALANCER_TAGS,
    UPDATE_LOAD_BALANCER_TAGS,
    UpdateLoadBalancerTagsArgs,
)
from pileus.domain.tags import Tags, check_tag_count, merged_tags
from pileus.domain.tasks import Task, TaskType
from pileus.services.load_balancers.changes import lock_load_balancer
from pileus.services.load_balancers.load_balancers import AUDIT_GROUP
from pileus.services.tags import require_own_tag
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.database import Tx

TagsTaskType = TaskType[UpdateLoadBalancerTagsArgs]


async def update_tags(
    tx: Tx, ctx: Context, load_balancer_id: str, patch: Mapping[str, str | None], task_id: str
) -> Task:
    """Start the task that applies a merge patch to the tags. Raises NotFound, Invalid or Conflict."""
    existing = await _lock_and_list_tags(tx, ctx, load_balancer_id, task_id)
    return await _start(tx, ctx, load_balancer_id, existing, patch, task_id, UPDATE_LOAD_BALANCER_TAGS, "update")


async def replace_tags(tx: Tx, ctx: Context, load_balancer_id: str, new: Mapping[str, str], task_id: str) -> Task:
    """Start the task that replaces all tags that are not read-only. Raises NotFound, Invalid or Conflict."""
    existing = await _lock_and_list_tags(tx, ctx, load_balancer_id, task_id)
    removed = {key: None for key, tag in existing.items() if not tag.read_only}
    patch = {**removed, **new}
    return await _start(tx, ctx, load_balancer_id, existing, patch, task_id, REPLACE_LOAD_BALANCER_TAGS, "replace")


async def delete_tag(tx: Tx, ctx: Context, load_balancer_id: str, key: str | None, task_id: str) -> Task:
    """Start the task that deletes a tag. Raises NotFound, Invalid, Forbidden or Conflict."""
    existing = await _lock_and_list_tags(tx, ctx, load_balancer_id, task_id)
    patch = {require_own_tag(existing, key).key: None}
    return await _start(tx, ctx, load_balancer_id, existing, patch, task_id, DELETE_LOAD_BALANCER_TAG, "delete")


async def _lock_and_list_tags(tx: Tx, ctx: Context, load_balancer_id: str, task_id: str) -> Tags:
    await lock_load_balancer(tx, ctx, load_balancer_id, task_id)
    return await tags.list_by_resource(tx, load_balancer_id)


async def _start(
    tx: Tx,
    ctx: Context,
    load_balancer_id: str,
    existing: Tags,
    patch: Mapping[str, str | None],
    task_id: str,
    task_type: TagsTaskType,
    verb: str,
) -> Task:
    check_tag_count(existing, merged_tags(existing, patch), ctx.tag_limit)
    args = UpdateLoadBalancerTagsArgs(load_balancer_id=load_balancer_id, tags=dict(patch))
    entry = AuditEntry(AUDIT_GROUP, f"{verb}_metadata", load_balancer_id, {"metadata": dict(patch)})
    return await start_task(tx, ctx, task_id, task_type, args, entry=entry)
