"""SSH keys."""

from pileus.domain.ssh_keys import SSHKey
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("ssh_keys", SSHKey)


async def find(tx: Tx, key_id: str) -> SSHKey | None:
    """One key, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=key_id)
