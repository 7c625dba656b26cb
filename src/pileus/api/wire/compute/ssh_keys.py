"""SSH keys: as the API shows them, and the bodies that make and share them."""

from msgspec import Struct, structs

from pileus.api.wire.constraints import Name
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
        return cls(
            id=key.id,
            name=key.name,
            public_key=key.public_key,
            fingerprint=key.fingerprint,
            project_id=key.project_id,
            shared_in_project=key.shared_in_project,
            state=key.state,
            created_at=format_zulu(key.created_at),
        )


class CreatedSSHKeyView(SSHKeyView, kw_only=True):
    """A key just made; the private half is shown this once, if the server made the pair."""

    private_key: str | None

    @classmethod
    def made(cls, key: SSHKey, private_key: str | None) -> "CreatedSSHKeyView":
        """Show a new key with its private half."""
        return cls(**structs.asdict(SSHKeyView.of(key)), private_key=private_key)


class CreateSSHKey(Struct, kw_only=True):
    """A key to keep; without `public_key` the server makes a pair."""

    name: Name
    public_key: str | None = None
    shared_in_project: bool = True


class ShareSSHKey(Struct, kw_only=True):
    """Whether all of a project may use the key, or its owner alone."""

    shared_in_project: bool
