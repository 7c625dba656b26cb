"""Read certificates, private keys and lists of revoked certificates. The cryptography library takes long to load."""

import re
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from pileus.domain.errors import invalid
from pileus.domain.network.secrets import SecretPayload

PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
LARGEST_RSA_KEY = 8192
"""Bits. Servers take long for larger keys."""
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
"""What the library raises for a text that it cannot read. Its messages may quote the text."""


def read_certificate_texts(certificate: str, private_key: str, certificate_chain: str) -> SecretPayload:
    """Return the payload of a certificate with its private key. Raises Invalid, without a part of the texts."""
    certificates = _load_certificates("certificate", certificate)
    if certificate_chain.strip():
        _load_certificates("certificate_chain", certificate_chain)
    key = _load_private_key(private_key)
    if _public_bytes(key.public_key()) != _public_bytes(certificates[0].public_key()):
        raise invalid(private_key="The private key does not fit the certificate")
    return SecretPayload(certificate=certificate, private_key=private_key, certificate_chain=certificate_chain)


def read_content(content: bytes) -> SecretPayload | None:
    """Return the payload of PEM texts, or of a certificate or a revocation list in DER. None for anything else.

    Raises Invalid for a private key that does not fit its certificate.
    """
    text = content.decode("latin-1")
    blocks = [(match[1], match[0]) for match in PEM_BLOCK.finditer(text)]
    if blocks:
        return _read_pem(blocks)
    return _read_der(content)


def _read_der(content: bytes) -> SecretPayload | None:
    with suppress(*UNREADABLE):
        return SecretPayload(certificate=_pem_text(x509.load_der_x509_certificate(content)))
    with suppress(*UNREADABLE):
        return SecretPayload(revocation_list=_pem_text(x509.load_der_x509_crl(content)))
    return None


def _pem_text(item: x509.Certificate | x509.CertificateRevocationList) -> str:
    return item.public_bytes(Encoding.PEM).decode()


def _read_pem(blocks: list[tuple[str, str]]) -> SecretPayload | None:
    certificates = [text for label, text in blocks if label == "CERTIFICATE"]
    keys = [text for label, text in blocks if label.endswith("PRIVATE KEY")]
    lists = [text for label, text in blocks if label == "X509 CRL"]
    if keys and certificates:
        return read_certificate_texts(certificates[0], keys[0], "\n".join(certificates[1:]))
    for text in lists:
        _load_revocation_list(text)
    if certificates:
        _load_certificates("payload", "\n".join(certificates))
    if not certificates and not lists:
        return None
    return SecretPayload(certificate="\n".join(certificates), revocation_list="\n".join(lists))


def _load_certificates(field: str, text: str) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
        for certificate in certificates:
            certificate.public_key()
    except UNREADABLE:
        raise invalid(**{field: "Input should be a certificate in PEM format"}) from None
    return certificates


def _load_revocation_list(text: str) -> None:
    try:
        x509.load_pem_x509_crl(text.encode())
    except UNREADABLE:
        raise invalid(payload="Input should be a certificate revocation list in PEM format") from None


def _load_private_key(text: str) -> PrivateKeyTypes:
    try:
        # The check of an RSA key takes long, and an inconsistent key harms its owner only.
        key = load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except UNREADABLE:
        raise invalid(private_key="Input should be a private key in PEM format without a password") from None
    if isinstance(key, RSAPrivateKey) and key.key_size > LARGEST_RSA_KEY:
        raise invalid(private_key=f"An RSA key should have at most {LARGEST_RSA_KEY} bits")
    return key


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
