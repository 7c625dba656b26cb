"""Secrets: certificates with their private keys, and other confidential data that a tenant stores for later use.

Load balancers use them for TLS. The payload is never shown again.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from pileus.domain import limits
from pileus.domain.errors import Invalid, invalid
from pileus.domain.places import Place
from pileus.domain.resources import TenantResource

BINARY = "application/octet-stream"
"""The content type of certificates that are sent as PEM texts."""


class SecretType(StrEnum):
    """The types of secrets in the public API."""

    CERTIFICATE = "certificate"
    OPAQUE = "opaque"
    PASSPHRASE = "passphrase"  # noqa: S105  # the name of a type
    PRIVATE = "private"
    PUBLIC = "public"
    SYMMETRIC = "symmetric"


class SecretStatus(StrEnum):
    """The statuses of a secret. EXPIRED is not stored: it follows from the time."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"


class SecretPayload(Struct, frozen=True, kw_only=True):
    """What a secret keeps: PEM texts as far as the content could be read, else the `content` in base64.

    Without `private_key`, `certificate` holds the certificates of authorities.
    """

    certificate: str = ""
    private_key: str = ""
    certificate_chain: str = ""
    revocation_list: str = ""
    content: str = ""


class SecretFacts(Struct, frozen=True, kw_only=True):
    """What a client tells about a secret."""

    name: str
    secret_type: str = SecretType.CERTIFICATE
    content_type: str = BINARY
    algorithm: str | None = None
    bit_length: int | None = None
    mode: str | None = None
    expires_at: int | None = None


class TlsCertificate(Struct, frozen=True, kw_only=True):
    """A certificate with its private key and the certificates of its issuers, as PEM texts."""

    certificate: str
    private_key: str
    certificate_chain: str

    @property
    def bundle(self) -> str:
        """All three texts in one, as servers read them from a file."""
        texts = (self.certificate, self.certificate_chain, self.private_key)
        return "".join(f"{text.strip()}\n" for text in texts if text.strip())


class Secret(TenantResource, frozen=True, kw_only=True):
    """A secret. Only its existence ever changes."""

    NOUN: ClassVar[str] = "Secret"

    id: str
    name: str
    secret_type: str
    payload: SecretPayload
    content_type: str = BINARY
    status: str = SecretStatus.PENDING
    algorithm: str | None = None
    bit_length: int | None = None
    mode: str | None = None
    expires_at: int | None = None

    def status_at(self, now: int) -> str:
        """Return the status that clients see at a time."""
        has_expired = self.expires_at is not None and self.expires_at <= now
        return SecretStatus.EXPIRED.value if has_expired else self.status

    def unlocked(self) -> "Secret":
        """Return the secret as active and unlocked."""
        return replace(self, status=SecretStatus.ACTIVE.value, task_id=None)

    def require_usable(self, now: int) -> "Secret":
        """Return the secret if new users may refer to it. Raises Conflict while it is locked, Invalid if expired."""
        if self.require_unlocked().status_at(now) == SecretStatus.EXPIRED:
            raise Invalid(f"Secret {self.id} has expired")
        return self

    def require_tls_certificate(self) -> TlsCertificate:
        """Return the certificate with its private key. Raises Invalid if the secret holds none."""
        payload = self.payload
        if not (payload.certificate and payload.private_key):
            raise Invalid(f"Could not retrieve certificate: secret {self.id} holds no certificate with a private key")
        return TlsCertificate(
            certificate=payload.certificate,
            private_key=payload.private_key,
            certificate_chain=payload.certificate_chain,
        )

    def require_authorities(self) -> str:
        """Return the certificates of authorities as PEM. Raises Invalid if the secret holds none."""
        if not self.payload.certificate:
            raise Invalid(f"Could not retrieve certificate: secret {self.id} holds no certificate of an authority")
        return "\n".join(text for text in (self.payload.certificate, self.payload.certificate_chain) if text)

    def require_revocation_list(self) -> str:
        """Return the list of revoked certificates as PEM. Raises Invalid if the secret holds none."""
        if not self.payload.revocation_list:
            raise Invalid(f"Could not retrieve certificate: secret {self.id} holds no certificate revocation list")
        return self.payload.revocation_list


class SecretUse(Struct, frozen=True, kw_only=True):
    """The use of a secret by its holder: a listener or a pool."""

    secret_id: str
    holder_id: str
    holder_kind: str


def new_secret(  # noqa: PLR0913  # the fields of the record
    place: Place, secret_id: str, facts: SecretFacts, payload: SecretPayload, *, task_id: str, now: int
) -> Secret:
    """Create the record of a secret, locked by the task that creates it. Raises Invalid if it has expired."""
    if facts.expires_at is not None and facts.expires_at <= now:
        raise invalid(expiration="The expiration must be in the future")
    return Secret(id=secret_id, **asdict(place), **asdict(facts), payload=payload, task_id=task_id, created_at=now)


def check_payload_size(size: int) -> None:
    """Raise Invalid if a payload of `size` bytes is empty or too large."""
    if not size:
        raise invalid(payload="The payload is empty")
    if size > limits.SECRET_PAYLOAD.value:
        raise invalid(payload=f"The payload should have at most {limits.SECRET_PAYLOAD.value} bytes, not {size}")


def check_unused(secret: Secret, uses: Sequence[SecretUse]) -> None:
    """Raise Invalid if something uses the secret."""
    if uses:
        raise Invalid(f"Secret {secret.id} is in use by {uses[0].holder_kind} {uses[0].holder_id}")
