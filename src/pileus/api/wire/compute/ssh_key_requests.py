"""Bodies of requests about SSH keys."""

from msgspec import Struct

from pileus.api.wire.constraints import Name


class CreateSSHKey(Struct, kw_only=True):
    """A key to create; without `public_key` the server generates a key pair."""

    name: Name
    public_key: str | None = None
    shared_in_project: bool = True


class ShareSSHKey(Struct, kw_only=True):
    """The sharing of a key: with all users of the project, or with nobody."""

    shared_in_project: bool


class CreateKeypair(Struct, kw_only=True):
    """A key to create in the project of the path; without `public_key` the server generates a key pair."""

    sshkey_name: Name
    public_key: str | None = None
    shared_in_project: bool | None = True


class CreateKeypairInProject(CreateKeypair, kw_only=True):
    """A key to create in a project."""

    project_id: int
