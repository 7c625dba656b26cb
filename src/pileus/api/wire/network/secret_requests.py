"""Request bodies for secrets."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from pileus.api.wire.constraints import END
from pileus.api.wire.times import parse_time
from pileus.domain import limits
from pileus.domain.errors import invalid
from pileus.domain.network.secrets import SecretFacts

Text = Annotated[str, Meta(max_length=limits.SECRET_PAYLOAD.value)]
EncodedText = Annotated[str, Meta(max_length=2 * limits.SECRET_PAYLOAD.value)]
SecretName = Annotated[str, Meta(min_length=1, max_length=limits.SECRET_TEXT.value)]
Remark = Annotated[str, Meta(max_length=limits.SECRET_TEXT.value)]
# A text in base64 is refused: only binary content is sent like this.
ContentType = Annotated[str, Meta(pattern=r"^(?!text/)[a-z]+/[a-z0-9.+-]{1,80}" + END)]
BitLength = Annotated[int, Meta(gt=0, le=2**31 - 1)]


class CertificatePayload(Struct, kw_only=True):
    """A certificate, its private key without a password, and the certificates of its issuers, in PEM format.

    The chain may be empty.
    """

    certificate: Text
    private_key: Text
    certificate_chain: Text


class CreateCertificate(Struct, kw_only=True):
    """A new certificate with its private key. It cannot be used for new listeners after `expiration`."""

    name: SecretName
    payload: CertificatePayload
    expiration: str | None = None

    def to_facts(self) -> SecretFacts:
        """Return what the client tells. Raises Invalid."""
        return SecretFacts(name=self.name, expires_at=_parse_expiration(self.expiration))


class CreateSecret(Struct, kw_only=True):
    """A new secret of any type, in base64."""

    name: SecretName
    payload: EncodedText
    payload_content_type: ContentType
    payload_content_encoding: Literal["base64"]
    secret_type: Literal["certificate", "opaque", "passphrase", "private", "public", "symmetric"]
    algorithm: Remark | None = None
    bit_length: BitLength | None = None
    mode: Remark | None = None
    expiration: str | None = None

    def to_facts(self) -> SecretFacts:
        """Return what the client tells. Raises Invalid."""
        return SecretFacts(
            name=self.name,
            secret_type=self.secret_type,
            content_type=self.payload_content_type,
            algorithm=self.algorithm,
            bit_length=self.bit_length,
            mode=self.mode,
            expires_at=_parse_expiration(self.expiration),
        )


def _parse_expiration(text: str | None) -> int | None:
    """Return a time; the default time zone is UTC. Raises Invalid."""
    if text is None:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise invalid(expiration="Input should be a valid datetime") from None
