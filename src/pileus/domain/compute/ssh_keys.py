"""SSH keys: the record, and the fingerprint of a public key."""

import binascii
import hashlib
from base64 import b64decode

from msgspec import Struct

from pileus.domain.errors import Invalid, invalid

# Number of fields after the type in the binary key, for each type that current and older servers accept.
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
    """A public key; `fingerprint` is MD5, colon-separated. Only its user can use a key that is not shared."""

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


def md5_fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint of a public key (`type base64 comment`). Raises Invalid."""
    digest = hashlib.md5(_decode_key(public_key), usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))


def _decode_key(public_key: str) -> bytes:
    lines = public_key.strip().splitlines()
    words = lines[0].split(None, 2) if len(lines) == 1 else []
    if len(words) < 2:  # noqa: PLR2004  # a type and a key
        raise _invalid_key("it must be one line: a type, the key in base64 and perhaps a comment")
    key_type, text = words[:2]
    if key_type not in FIELD_COUNTS:
        raise _invalid_key(f"its type must be one of {', '.join(sorted(FIELD_COUNTS))}")
    try:
        blob = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_key("the key is not base64") from None
    fields = _split_fields(blob)
    if fields[:1] != [key_type.encode()] or len(fields) != FIELD_COUNTS[key_type] + 1 or not all(fields[1:]):
        raise _invalid_key(f"the key is not of type {key_type}")
    return blob


def _split_fields(blob: bytes) -> list[bytes]:
    """Split a binary key into its length-prefixed fields. Returns [] if the lengths do not add up."""
    fields = []
    while blob:
        end = LENGTH_BYTES + int.from_bytes(blob[:LENGTH_BYTES], "big")
        if len(blob) < end:
            return []
        fields.append(blob[LENGTH_BYTES:end])
        blob = blob[end:]
    return fields


def _invalid_key(reason: str) -> Invalid:
    return invalid(public_key=f"Not an SSH public key: {reason}")
