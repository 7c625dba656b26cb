"""Read the payloads of new secrets, before the transaction that saves them."""

import base64
import binascii

from pileus.domain.errors import invalid, nest_field_errors
from pileus.domain.network.secrets import SecretPayload, SecretType, check_payload_size

READ_TYPES = frozenset({SecretType.CERTIFICATE, SecretType.OPAQUE})
"""The types whose content may be a certificate. Older clients send PKCS#12 files as opaque secrets."""
DER_SEQUENCE = b"\x30"


def read_certificate_payload(certificate: str, private_key: str, certificate_chain: str) -> SecretPayload:
    """Return the payload of three PEM texts. Raises Invalid, without a part of the texts."""
    from pileus.services.network.certificate_texts import read_certificate_texts  # noqa: PLC0415  # slow to load

    check_payload_size(sum(len(text.encode()) for text in (certificate, private_key, certificate_chain)))
    with nest_field_errors("payload"):
        return read_certificate_texts(certificate, private_key, certificate_chain)


async def read_encoded_payload(secret_type: str, payload: str) -> SecretPayload:
    """Return the payload of a text in base64. Raises Invalid, without a part of the text."""
    from pileus.services.network.certificate_texts import read_content  # noqa: PLC0415  # slow to load
    from pileus.services.network.pkcs12_reader import read_pkcs12  # noqa: PLC0415  # as slow

    try:
        content = base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(payload="Input should be base64") from None
    check_payload_size(len(content))
    readable = None
    if secret_type in READ_TYPES:
        readable = read_content(content)
        if readable is None and content.startswith(DER_SEQUENCE):
            readable = await read_pkcs12(content)
    if readable is None and secret_type == SecretType.CERTIFICATE:
        raise invalid(payload="Input should be a certificate, a revocation list, or a PKCS#12 file without a password")
    return readable or SecretPayload(content=base64.b64encode(content).decode())
