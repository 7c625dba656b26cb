"""SSH keys of a project: the record, and how a public key is read."""

import binascii
import hashlib
from base64 import b64decode

from msgspec import Struct

from pileus.domain.errors import Invalid, invalid

# How many fields follow the type in the key itself, for each type that servers of today or of yesterday accept.
FIELD_COUNTS = {
    "ssh-rsa": 2,
    "ssh-dss": 4,
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
LENGTH_BYTES = 4


class SSHKey(Struct, frozen=True, kw_only=True):
    """A public key; `fingerprint` is MD5, colon-separated; a key not shared is its user's alone."""

    id: str
    client_id: int
    project_id: int
    user_id: int
    name: str
    public_key: str
    fingerprint: str
    state: str = "ACTIVE"
    shared_in_project: bool = True
    created_at: int
    revision: int = 1


def fingerprint(public_key: str) -> str:
    """The MD5 digest of a public key (`type base64 comment`), in pairs with colons; raises Invalid for nonsense."""
    digest = hashlib.md5(_blob(public_key), usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _blob(public_key: str) -> bytes:
    lines = public_key.strip().splitlines()
    words = lines[0].split(None, 2) if len(lines) == 1 else []
    if len(words) < 2:  # noqa: PLR2004  # a type and a key
        raise _nonsense("it must be one line: a type, the key in base64 and perhaps a comment")
    kind, text = words[:2]
    if kind not in FIELD_COUNTS:
        raise _nonsense(f"its type must be one of {', '.join(sorted(FIELD_COUNTS))}")
    try:
        blob = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _nonsense("the key is not base64") from None
    fields = _fields(blob)
    if fields[:1] != [kind.encode()] or len(fields) != FIELD_COUNTS[kind] + 1 or not all(fields[1:]):
        raise _nonsense(f"the key is not that of an {kind}")
    return blob


def _fields(blob: bytes) -> list[bytes]:
    """Cut a key into its fields, each led by its length; empty if they do not add up."""
    fields = []
    while blob:
        end = LENGTH_BYTES + int.from_bytes(blob[:LENGTH_BYTES], "big")
        if len(blob) < end:
            return []
        fields.append(blob[LENGTH_BYTES:end])
        blob = blob[end:]
    return fields


def _nonsense(why: str) -> Invalid:
    return invalid(public_key=f"Not an SSH public key: {why}")
