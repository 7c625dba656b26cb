"""Bodies of requests about SSH keys."""

from typing import Annotated

from msgspec import Meta, Struct

from pileus.api.wire.constraints import Name
from pileus.domain import limits

PublicKey = Annotated[str, Meta(max_length=limits.SSH_PUBLIC_KEY.value)]


class CreateSSHKey(Struct, kw_only=True):
    """A key to create; without `public_key` the server generates a key pair."""

    name: Name
    public_key: PublicKey | None = None
    shared_in_project: bool = True


class ShareSSHKey(Struct, kw_only=True):
    """The sharing of a key: with all users of the project, or with nobody."""

    shared_in_project: bool


class CreateKeypair(Struct, kw_only=True):
    """A key to create in the project of the path; without `public_key` the server generates a key pair."""

    sshkey_name: Name
    public_key: PublicKey | None = None
    shared_in_project: bool | None = True


class CreateKeypairInProject(CreateKeypair, kw_only=True):
    """A key to create in a project."""

    project_id: int
