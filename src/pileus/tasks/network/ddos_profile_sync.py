"""The DDoS profiles that a task about an instance holds, by `profiles` among its arguments."""

from msgspec.structs import replace

from pileus.domain.network.ddos_profile_locks import unlocked
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.drivers.protocols.compute import DriverError, Protects
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.operation import TaskContext


async def held_profiles(tx: Tx, work: TaskContext) -> list[DdosProfile]:
    """The profiles that the task holds."""
    ids = work.task.args.get("profiles", [])
    found = await ddos_profiles.of_ids(tx, ids) if ids else {}
    return [profile for profile in found.values() if profile.task_id == work.task.id]


async def protect(work: TaskContext) -> None:
    """Protect their addresses as the records say."""
    for profile in await _looked_up(work):
        await _protecting(work).ensure_protected(profile.region_id, profile.ip_address, active=profile.active)


async def deactivate(work: TaskContext) -> None:
    """Keep the protection of their addresses ready, but off."""
    for profile in await _looked_up(work):
        await _protecting(work).ensure_protected(profile.region_id, profile.ip_address, active=False)


async def unprotect(work: TaskContext) -> None:
    """Protect their addresses no more."""
    for profile in await _looked_up(work):
        await _protecting(work).ensure_unprotected(profile.region_id, profile.ip_address)


async def unlock_profiles(tx: Tx, work: TaskContext) -> None:
    """Let the profiles go, as they are."""
    for profile in await held_profiles(tx, work):
        await ddos_profiles.save(tx, profile, unlocked(profile))


async def unlock_profiles_inactive(tx: Tx, work: TaskContext) -> None:
    """Let the profiles go, turned off."""
    for profile in await held_profiles(tx, work):
        await ddos_profiles.save(tx, profile, replace(unlocked(profile), active=False))


async def delete_profiles(tx: Tx, work: TaskContext) -> None:
    """Delete the profiles."""
    for profile in await held_profiles(tx, work):
        await ddos_profiles.remove(tx, profile.id)


def _protecting(work: TaskContext) -> Protects:
    """The driver, if it can protect; raises DriverError."""
    if not isinstance(work.driver, Protects):
        raise DriverError("This cloud has no protection against DDoS", retryable=False)
    return work.driver


async def _looked_up(work: TaskContext) -> list[DdosProfile]:
    async with work.db.read() as tx:
        return await held_profiles(tx, work)
