"""Create, rotate and revoke API keys."""

import secrets

from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.domain.errors import Conflict
from pileus.store.account import api_keys, clients
from pileus.store.database import Tx


def generate_api_token(key_id: int) -> str:
    """Return a new token: the key's id and 256 random bits."""
    return f"{key_id}_{secrets.token_hex(32)}"


async def create_api_key(
    tx: Tx, client_id: int, name: str, role: str, expires_at: int | None, now: int
) -> tuple[ApiKey, str]:
    """Save a key of a tenant's first user, and return it with its token, which is not stored. Raises NotFound."""
    await clients.lock_present(tx, client_id)
    user_id = await clients.get_first_user_id(tx, client_id)
    key_id = await api_keys.allocate_id(tx)
    token = generate_api_token(key_id)
    key = ApiKey(
        id=key_id,
        client_id=client_id,
        user_id=user_id,
        name=name,
        role=role,
        digest=hash_api_token(token),
        created_at=now,
        expires_at=expires_at,
    )
    await api_keys.add(tx, key)
    return key, token


async def rotate_api_key(
    tx: Tx, client_id: int, key_id: int, *, grace: int, expires_at: int | None, now: int
) -> tuple[ApiKey, str]:
    """Replace the token of a key, and return both. The old token stays valid for `grace` microseconds.

    `expires_at` replaces the expiry of the key; None leaves it. Raises NotFound, or Conflict if the key is not in
    force.
    """
    key = await api_keys.lock(tx, client_id, key_id)
    key.check_in_force(now)
    token = generate_api_token(key.id)
    rotated = key.rotated(token, now, grace=grace, expires_at=expires_at)
    await api_keys.save_digests(tx, rotated)
    return rotated, token


async def revoke_api_key(tx: Tx, client_id: int, key_id: int, now: int) -> None:
    """Revoke a key. Raises NotFound, or Conflict if it is revoked already."""
    await api_keys.lock(tx, client_id, key_id)
    if not await api_keys.revoke(tx, key_id, now):
        raise Conflict(f"API key {key_id} is revoked")
