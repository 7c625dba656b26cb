"""Which secrets listeners and pools use. A secret in use is not deleted."""

from collections.abc import Iterator

from pileus.domain.load_balancers.trees import Parts
from pileus.domain.network.secrets import SecretUse
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners, pools
from pileus.store.network import secrets


async def add_uses(tx: Tx, parts: Parts) -> None:
    """Save that parts use their secrets, beside what they use already."""
    for use in _uses(parts):
        await secrets.add_use(tx, use)


async def replace_uses(tx: Tx, parts: Parts) -> None:
    """Save that parts use the secrets that they have, and no others."""
    for part in (*parts.listeners, *parts.pools):
        await secrets.remove_uses(tx, part.id)
    await add_uses(tx, parts)


async def remove_former_uses(tx: Tx, previous: Parts) -> None:
    """Remove the uses that changed parts do not need any more, from what they had before."""
    changed = Parts(
        listeners=[await listeners.require(tx, part.id) for part in previous.listeners if part.secret_ids],
        pools=[await pools.require(tx, part.id) for part in previous.pools if part.secret_ids],
    )
    await replace_uses(tx, changed)


def _uses(parts: Parts) -> Iterator[SecretUse]:
    for kind, holders in (("listener", parts.listeners), ("pool", parts.pools)):
        for holder in holders:
            for secret_id in holder.secret_ids:
                yield SecretUse(secret_id=secret_id, holder_id=holder.id, holder_kind=kind)
