"""Lifecycle policies and their volumes."""

from collections.abc import Iterable, Sequence

from pileus.domain.places import Place
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.store import counters, scoped
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters
from pileus.store.storage.snapshots import BUMP_REVISION

TABLE = Table("lifecycle_policies", LifecyclePolicy)
add, save, bump_revision = TABLE.add, TABLE.save, TABLE.bump_revision


async def allocate_id(tx: Tx) -> int:
    """Return the id of a new policy."""
    return await counters.increment(tx, "lifecycle_policies")


async def get(tx: Tx, place: Place, policy_id: int) -> LifecyclePolicy:
    """Return a policy of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Lifecycle policy", place, policy_id)


async def get_for_use(tx: Tx, place: Place, policy_id: int) -> LifecyclePolicy:
    """Return a policy of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Lifecycle policy", place, policy_id, lock=FOR_USE)


async def list_all(tx: Tx, place: Place) -> list[LifecyclePolicy]:
    """Return all policies of a place, oldest first."""
    return await TABLE.find(tx, f"{IN_PLACE} ORDER BY id", **place_parameters(place))


async def count(tx: Tx, place: Place) -> int:
    """Count the policies of a place."""
    row = await tx.one(f"SELECT count(*) FROM lifecycle_policies WHERE {IN_PLACE}", **place_parameters(place))
    return int(row[0]) if row else 0


async def remove(tx: Tx, policy_id: int) -> None:
    """Delete a policy and take its volumes out of it."""
    await tx.send("DELETE FROM policy_volumes WHERE lifecycle_policy_id = :id", id=policy_id)
    await TABLE.remove(tx, policy_id)


async def list_volumes_by_policy(tx: Tx, ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """Return the volumes of policies as ids and names, oldest first."""
    volumes_by_policy: dict[int, list[tuple[str, str]]] = {policy_id: [] for policy_id in ids}
    marks, values = in_list_placeholders("id", ids)
    rows = await tx.all(
        "SELECT p.lifecycle_policy_id, v.id, v.name FROM policy_volumes p JOIN volumes v ON v.id = p.volume_id"
        f" WHERE p.lifecycle_policy_id IN ({marks}) ORDER BY v.created_at, v.id",
        **values,
    )
    for policy_id, volume_id, name in rows:
        volumes_by_policy[policy_id].append((volume_id, name))
    return volumes_by_policy


async def add_volumes(tx: Tx, policy_id: int, volume_ids: Iterable[str]) -> None:
    """Add volumes to a policy; ignores those that it has."""
    for volume_id in sorted(set(volume_ids)):
        await tx.send(
            "INSERT INTO policy_volumes (lifecycle_policy_id, volume_id) VALUES (:policy_id, :volume_id)"
            " ON CONFLICT (lifecycle_policy_id, volume_id) DO NOTHING",
            policy_id=policy_id,
            volume_id=volume_id,
        )


async def remove_volumes(tx: Tx, policy_id: int, volume_ids: Iterable[str]) -> None:
    """Remove volumes from a policy with their due snapshots; existing snapshots no longer expire.

    Ignores volumes that the policy does not have.
    """
    rows = await tx.all("SELECT volume_id FROM policy_volumes WHERE lifecycle_policy_id = :id", id=policy_id)
    of_policy = "schedule_id IN (SELECT id FROM schedules WHERE lifecycle_policy_id = :policy_id)"
    for volume_id in sorted({row[0] for row in rows} & set(volume_ids)):
        parameters = {"policy_id": policy_id, "volume_id": volume_id}
        for statement in (
            "DELETE FROM policy_volumes WHERE lifecycle_policy_id = :policy_id AND volume_id = :volume_id",
            f"DELETE FROM due_snapshots WHERE volume_id = :volume_id AND {of_policy}",
            f"UPDATE snapshots SET expires_at = NULL, {BUMP_REVISION} WHERE volume_id = :volume_id AND {of_policy}",
        ):
            await tx.send(statement, **parameters)
