"""SSH keys."""

from msgspec import Struct, structs

from pileus.api.wire.common import make_view
from pileus.api.wire.times import format_zulu
from pileus.domain.compute.ssh_keys import SSHKey


class SSHKeyView(Struct, kw_only=True):
    """A public key."""

    id: str
    name: str
    public_key: str
    fingerprint: str
    project_id: int | None
    shared_in_project: bool
    state: str
    created_at: str | None

    @classmethod
    def of(cls, key: SSHKey) -> "SSHKeyView":
        """Show a key."""
        return make_view(cls, key, created_at=format_zulu(key.created_at))


class CreatedSSHKeyView(SSHKeyView, kw_only=True):
    """A new key; `private_key` is shown once, if the server has generated the key pair."""

    private_key: str | None

    @classmethod
    def with_private_key(cls, key: SSHKey, private_key: str | None) -> "CreatedSSHKeyView":
        """Show a new key with its private key."""
        return cls(**structs.asdict(SSHKeyView.of(key)), private_key=private_key)
