"""The secrets that listeners and pools refer to: each must hold what its use needs."""

from collections.abc import Iterable

from pileus.domain.context import Context
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.pools import Pool
from pileus.services.network.secrets import require_usable_secret
from pileus.store.database import Tx


async def check_listener_secrets(tx: Tx, ctx: Context, listener: Listener, known: Listener | None = None) -> None:
    """Check the secrets that the `known` listener did not have; nobody deletes them until the transaction ends.

    Raises Invalid or Conflict.
    """
    for secret_id in _list_new_ids(listener.secret_ids, known):
        (await require_usable_secret(tx, ctx, secret_id)).require_tls_certificate()


async def check_pool_secrets(tx: Tx, ctx: Context, pool: Pool, known: Pool | None = None) -> None:
    """Check the secrets that the `known` pool did not have, as `check_listener_secrets` does."""
    for secret_id in _list_new_ids(pool.secret_ids, known):
        secret = await require_usable_secret(tx, ctx, secret_id)
        if secret_id == pool.secret_id:
            secret.require_tls_certificate()
        if secret_id == pool.ca_secret_id:
            secret.require_authorities()
        if secret_id == pool.crl_secret_id:
            secret.require_revocation_list()


def _list_new_ids(secret_ids: Iterable[str], known: Listener | Pool | None) -> list[str]:
    known_ids = () if known is None else known.secret_ids
    return [secret_id for secret_id in secret_ids if secret_id not in known_ids]
