"""create_, update_, delete_, activate_ and deactivate_ddos_profile: what a driver does to protect an address.

Arguments: `profile_id`, and for what can be undone `before`: the profile as it was (None for a new one).
"""

import msgspec

from pileus.domain.network.ddos_profile_locks import unlocked
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.tasks import created_resources
from pileus.drivers.protocols.compute import DriverError, Protects
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.records import record_of_task


async def _held(tx: Tx, work: TaskContext) -> DdosProfile:
    return await record_of_task(tx, work, "profile_id", "DDoS profile", ddos_profiles.find)


def _before(work: TaskContext) -> DdosProfile | None:
    before = work.task.args.get("before")
    return None if before is None else msgspec.convert(before, DdosProfile)


def _protecting(work: TaskContext) -> Protects:
    if not isinstance(work.driver, Protects):
        raise DriverError("This cloud has no protection against DDoS", retryable=False)
    return work.driver


async def _protect(work: TaskContext) -> None:
    async with work.db.read() as tx:
        profile = await _held(tx, work)
    await _protecting(work).ensure_protected(profile.region_id, profile.ip_address, active=profile.active)
    before = _before(work)
    if before is not None and before.ip_address != profile.ip_address:
        await _protecting(work).ensure_unprotected(before.region_id, before.ip_address)


async def _protect_as_before(work: TaskContext) -> None:
    async with work.db.read() as tx:
        profile = await _held(tx, work)
    before = _before(work)
    if before is None or before.ip_address != profile.ip_address:
        await _protecting(work).ensure_unprotected(profile.region_id, profile.ip_address)
    if before is not None:
        await _protecting(work).ensure_protected(before.region_id, before.ip_address, active=before.active)


async def _unprotect(work: TaskContext) -> None:
    async with work.db.read() as tx:
        profile = await _held(tx, work)
    await _protecting(work).ensure_unprotected(profile.region_id, profile.ip_address)


async def _protected(tx: Tx, work: TaskContext) -> Created | None:
    profile = await _held(tx, work)
    await ddos_profiles.save(tx, profile, unlocked(profile))
    return created_resources(ddos_profiles=[profile.id]) if work.task.task_type == "create_ddos_profile" else None


async def _not_protected(tx: Tx, work: TaskContext) -> None:
    profile, before = await _held(tx, work), _before(work)
    if before is None:
        await ddos_profiles.remove(tx, profile.id)
    else:
        await ddos_profiles.save(tx, profile, msgspec.structs.replace(before, revision=profile.revision, task_id=None))


async def _gone(tx: Tx, work: TaskContext) -> Created | None:
    await ddos_profiles.remove(tx, work.task.args["profile_id"])
    return None


async def _still_there(tx: Tx, work: TaskContext) -> None:
    profile = await _held(tx, work)
    await ddos_profiles.save(tx, profile, unlocked(profile, error=work.task.error or "Deletion failed"))


PROTECT = Step("protect", _protect, undo=_protect_as_before)
PROTECT_ADDRESS = (
    Operation("create_ddos_profile", (PROTECT,), _protected, _not_protected),
    Operation("update_ddos_profile", (PROTECT,), _protected, _not_protected),
    Operation("activate_ddos_profile", (PROTECT,), _protected, _not_protected),
    Operation("deactivate_ddos_profile", (PROTECT,), _protected, _not_protected),
    Operation("delete_ddos_profile", (Step("stop protecting", _unprotect),), _gone, _still_there),
)
