"""Hash and verify passwords. This is a module of its own because the cryptography library takes long to load."""

import os
import secrets
from functools import cache
from threading import Lock

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

ITERATIONS, LANES, MEMORY = 3, 4, 64 << 10
"""The second recommended option of RFC 9106, section 4: 64 MiB."""
# OpenSSL computes the lanes in threads that all computations of a process share. Two computations that have each
# started some of their lanes would wait for each other forever.
_ONLY_ONE = Lock()


def hash_password(password: str) -> str:
    """Return the digest of a password, with its salt and parameters. Takes a tenth of a second and 64 MiB."""
    algorithm = Argon2id(salt=os.urandom(16), length=32, iterations=ITERATIONS, lanes=LANES, memory_cost=MEMORY)
    with _ONLY_ONE:
        return algorithm.derive_phc_encoded(password.encode())


def is_password(password: str, digest: str | None) -> bool:
    """Return whether a password has a digest. Without a digest it is False, after the same time."""
    unusable = _unusable_digest()
    try:
        with _ONLY_ONE:
            Argon2id.verify_phc_encoded(password.encode(), digest or unusable)
    except InvalidKey:
        return False
    return digest is not None


@cache
def _unusable_digest() -> str:
    return hash_password(secrets.token_hex(32))
