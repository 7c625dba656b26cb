"""Encryption of secrets in the database, and signatures, by keys in a file outside of it.

The file holds one key a line, the newest first: the first one encrypts, all of them decrypt. The database holds the
digest of a key, so that a start with the wrong file fails. Only the mapper of rows (`Table`) encrypts and decrypts.
"""

import base64
import binascii
import hashlib
import hmac
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.domain.errors import Unavailable

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

PREFIX = "fernet:"
"""The beginning of an encrypted column. No JSON begins like this."""
KEY_BYTES = 32
KEY_FILE = "secrets.key"


class SecretsKeyError(Exception):
    """The file of the keys is missing or wrong. The message is one line and says what to do."""


class SecretBox:
    """Encrypts and decrypts columns. The file is read again when it changes, so that keys rotate without a restart."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._version: tuple[int, int] | None = None
        self._keys: list[bytes] = []
        self._fernet: MultiFernet | None = None

    def encrypt(self, text: str) -> str:
        """Encrypt a column by the newest key. Raises Unavailable if the keys cannot be read."""
        return PREFIX + self._cipher().encrypt(text.encode()).decode()

    def decrypt(self, text: str | None) -> str | None:
        """Decrypt a column; one that is not encrypted is returned unchanged. Raises Unavailable without its key."""
        if text is None or not text.startswith(PREFIX):
            return text
        from cryptography.fernet import InvalidToken  # noqa: PLC0415  # takes long to load, and few rows need it

        try:
            return self._cipher().decrypt(text.removeprefix(PREFIX)).decode()
        except InvalidToken as problem:
            raise Unavailable(f"A secret in the database cannot be decrypted by the keys in {self.file}") from problem

    def is_encrypted_by_newest_key(self, text: str) -> bool:
        """Return whether a column is encrypted by the newest key. Raises Unavailable if the keys cannot be read."""
        if not text.startswith(PREFIX):
            return False
        from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415  # takes long to load

        self._cipher()
        try:
            Fernet(self._keys[0]).decrypt(text.removeprefix(PREFIX))
        except InvalidToken:
            return False
        return True

    def sign(self, content: bytes) -> str:
        """Return the signature of a content by the newest key. Raises Unavailable if the keys cannot be read."""
        return _signature(self._require_keys()[0], content)

    def is_signature(self, content: bytes, signature: str) -> bool:
        """Return whether any key signs a content so. Raises Unavailable if the keys cannot be read."""
        given = signature.encode()
        return any(hmac.compare_digest(_signature(key, content).encode(), given) for key in self._require_keys())

    def list_digests(self) -> list[str]:
        """Return the digests of the keys, the newest first. Raises SecretsKeyError."""
        self._load()
        return [hashlib.sha256(key).hexdigest() for key in self._keys]

    def create_file(self) -> None:
        """Create the file with a new key, unless it exists. Raises SecretsKeyError."""
        if self.file.exists():
            return
        with suppress(FileExistsError):
            self._write(generate_key(), replace=False)

    def add_key(self) -> None:
        """Put a new key in front of those in the file. Raises SecretsKeyError."""
        self._load()
        self._write("\n".join([generate_key(), *(key.decode() for key in self._keys)]), replace=True)

    def _write(self, text: str, *, replace: bool) -> None:
        """Write the file as a whole, durably: what it encrypts afterwards is lost without it."""
        new = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
                output.write(f"{text}\n")
                output.flush()
                os.fsync(output.fileno())
            if replace:
                self._keep_owner(new)
                new.replace(self.file)
            else:
                self.file.hardlink_to(new)
            _sync_directory(self.file.parent)
        except FileExistsError:
            raise
        except OSError as problem:
            raise SecretsKeyError(f"{self.file} cannot be written: {problem.strerror}") from problem
        finally:
            with suppress(OSError):
                new.unlink()

    def _keep_owner(self, new: Path) -> None:
        """Give a file that root writes to the owner of the present one: the server may run as another user."""
        status = self.file.stat()
        if os.geteuid() == 0:
            os.chown(new, status.st_uid, status.st_gid)

    def _cipher(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415  # takes long to load

        keys = self._require_keys()
        if self._fernet is None:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        return self._fernet

    def _require_keys(self) -> list[bytes]:
        """Return the keys, the newest first. Raises Unavailable."""
        try:
            self._load()
        except SecretsKeyError as problem:
            raise Unavailable(str(problem)) from problem
        return self._keys

    def _load(self) -> None:
        """Read the keys, if the file has changed."""
        try:
            status = self.file.stat()
            if self._version == (status.st_ino, status.st_mtime_ns):
                return
            lines = self.file.read_bytes().split()
        except OSError as problem:
            raise SecretsKeyError(
                f"The key of the database's secrets, {self.file}, cannot be read: {problem.strerror}: restore the file"
                " from a backup, or name the right one with --secrets-key"
            ) from problem
        for number, line in enumerate(lines, 1):
            if not _is_key(line):
                raise SecretsKeyError(f"{self.file}: line {number} is no key: restore the file from a backup")
        if not lines:
            raise SecretsKeyError(f"{self.file} has no key: restore it from a backup")
        self._keys, self._fernet, self._version = lines, None, (status.st_ino, status.st_mtime_ns)


def generate_key() -> str:
    """Return a new random key."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _signature(key: bytes, content: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == KEY_BYTES
    except binascii.Error:
        return False


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
