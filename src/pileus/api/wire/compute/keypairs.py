"""SSH keys with the field names of older clients."""

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.times import format_zulu
from pileus.domain.compute.ssh_keys import SSHKey


class KeypairView(Struct, kw_only=True):
    """A public key; `private_key` is shown once, if the server has generated the key pair."""

    sshkey_id: str
    sshkey_name: str
    public_key: str
    private_key: str | None
    fingerprint: str
    project_id: int
    shared_in_project: bool
    state: str
    created_at: str

    @classmethod
    def of(cls, key: SSHKey, private_key: str | None = None) -> "KeypairView":
        """Show a key."""
        return make_view(
            cls,
            key,
            sshkey_id=key.id,
            sshkey_name=key.name,
            private_key=private_key,
            created_at=format_zulu(key.created_at),
        )
