"""Create, update, activate, deactivate and delete DDoS profiles, alone or with the addresses that they protect.

A failure restores the previous profile, except that a profile that cannot be deleted stays, in error.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.network.task_types import (
    ACTIVATE_DDOS_PROFILE,
    CREATE_DDOS_PROFILE,
    DEACTIVATE_DDOS_PROFILE,
    DELETE_DDOS_PROFILE,
    UPDATE_DDOS_PROFILE,
    ChangeDdosProfileArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.capabilities import require_ddos_protection_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


class HasDdosProfiles(Protocol):
    """Arguments of a task on something else, which name the DDoS profiles of its addresses."""

    @property
    def profiles(self) -> Sequence[int]:
        """The profiles' ids."""


async def protect_addresses(ctx: TaskContext[HasDdosProfiles]) -> None:
    """Protect the addresses as the profiles in the database say."""
    for profile in await _load_profiles(ctx):
        await require_ddos_protection_support(ctx.driver).ensure_ddos_protection(
            profile.region_id, profile.ip_address, active=profile.active
        )


async def deactivate_protection(ctx: TaskContext[HasDdosProfiles]) -> None:
    """Make the protection of the addresses inactive."""
    for profile in await _load_profiles(ctx):
        await require_ddos_protection_support(ctx.driver).ensure_ddos_protection(
            profile.region_id, profile.ip_address, active=False
        )


async def remove_protection(ctx: TaskContext[HasDdosProfiles]) -> None:
    """Remove the protection of the addresses."""
    for profile in await _load_profiles(ctx):
        await require_ddos_protection_support(ctx.driver).ensure_no_ddos_protection(
            profile.region_id, profile.ip_address
        )


async def unlock_profiles(tx: Tx, ctx: TaskContext[HasDdosProfiles]) -> None:
    """Save the profiles as unlocked."""
    for profile in await _find_locked_profiles(tx, ctx):
        await ddos_profiles.save(tx, profile, profile.unlocked())


async def unlock_profiles_as_inactive(tx: Tx, ctx: TaskContext[HasDdosProfiles]) -> None:
    """Save the profiles as unlocked and inactive."""
    for profile in await _find_locked_profiles(tx, ctx):
        await ddos_profiles.save(tx, profile, replace(profile.unlocked(), active=False))


async def delete_profile_records(tx: Tx, ctx: TaskContext[HasDdosProfiles]) -> None:
    """Delete the profiles from the database."""
    for profile in await _find_locked_profiles(tx, ctx):
        await ddos_profiles.remove(tx, profile.id)


async def _load_profiles(ctx: TaskContext[HasDdosProfiles]) -> list[DdosProfile]:
    async with ctx.db.read() as tx:
        return await _find_locked_profiles(tx, ctx)


async def _find_locked_profiles(tx: Tx, ctx: TaskContext[HasDdosProfiles]) -> list[DdosProfile]:
    """Return those profiles of the arguments that this task has locked."""
    if not ctx.args.profiles:
        return []
    existing = await ddos_profiles.list_by_ids(tx, ctx.args.profiles)
    return [profile for profile in existing.values() if profile.task_id == ctx.task.id]


async def _load_profile(ctx: TaskContext[ChangeDdosProfileArgs]) -> DdosProfile:
    async with ctx.db.read() as tx:
        return await ddos_profiles.require(tx, ctx.args.profile_id)


async def _apply(ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile, before, driver = await _load_profile(ctx), ctx.args.before, require_ddos_protection_support(ctx.driver)
    await driver.ensure_ddos_protection(profile.region_id, profile.ip_address, active=profile.active)
    if before is not None and before.ip_address != profile.ip_address:
        await driver.ensure_no_ddos_protection(before.region_id, before.ip_address)


async def _revert(ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile, before, driver = await _load_profile(ctx), ctx.args.before, require_ddos_protection_support(ctx.driver)
    if before is None or before.ip_address != profile.ip_address:
        await driver.ensure_no_ddos_protection(profile.region_id, profile.ip_address)
    if before is not None:
        await driver.ensure_ddos_protection(before.region_id, before.ip_address, active=before.active)


async def _unprotect(ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile = await _load_profile(ctx)
    await require_ddos_protection_support(ctx.driver).ensure_no_ddos_protection(profile.region_id, profile.ip_address)


async def _save_created(tx: Tx, ctx: TaskContext[ChangeDdosProfileArgs]) -> CreatedResources:
    await _unlock(tx, ctx)
    return created_resources_by_kind(ddos_profiles=[ctx.args.profile_id])


async def _unlock(tx: Tx, ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile = await ddos_profiles.require(tx, ctx.args.profile_id)
    await ddos_profiles.save(tx, profile, profile.unlocked())


async def _save_previous_profile(tx: Tx, ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile, before = await ddos_profiles.require(tx, ctx.args.profile_id), ctx.args.before
    if before is None:
        await ddos_profiles.remove(tx, profile.id)
    else:
        await ddos_profiles.save(tx, profile, replace(before, revision=profile.revision, task_id=None))


async def _remove_deleted(tx: Tx, ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    await ddos_profiles.remove(tx, ctx.args.profile_id)


async def _save_error(tx: Tx, ctx: TaskContext[ChangeDdosProfileArgs]) -> None:
    profile = await ddos_profiles.require(tx, ctx.args.profile_id)
    await ddos_profiles.save(tx, profile, profile.unlocked(error=ctx.task.error or "Deletion failed"))


_APPLICATION = (Step("apply DDoS protection", _apply, undo=_revert),)
OPERATIONS = (
    Operation(CREATE_DDOS_PROFILE, steps=_APPLICATION, done=_save_created, failed=_save_previous_profile),
    Operation(UPDATE_DDOS_PROFILE, steps=_APPLICATION, done=_unlock, failed=_save_previous_profile),
    Operation(ACTIVATE_DDOS_PROFILE, steps=_APPLICATION, done=_unlock, failed=_save_previous_profile),
    Operation(DEACTIVATE_DDOS_PROFILE, steps=_APPLICATION, done=_unlock, failed=_save_previous_profile),
    Operation(
        DELETE_DDOS_PROFILE,
        steps=(Step("remove DDoS protection", _unprotect),),
        done=_remove_deleted,
        failed=_save_error,
    ),
)
