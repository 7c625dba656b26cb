"""Certificates with their private keys, for tests."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

MADE, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SelfSignedCertificate:
    """A certificate that signs itself."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def text(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def private_key(self) -> str:
        """The private key as PEM."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def pkcs12(self) -> bytes:
        """Both in a PKCS#12 file without a password."""
        return serialize_key_and_certificates(b"", self.key, self.certificate, [self.certificate], NoEncryption())

    @property
    def revocation_list(self) -> x509.CertificateRevocationList:
        """An empty list of certificates that it has revoked."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, MADE, ENDS)
        return builder.sign(self.key, hashes.SHA256())


def make_certificate(name: str = "www.example.com") -> SelfSignedCertificate:
    """Make a certificate of a host name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, MADE, ENDS)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return SelfSignedCertificate(key, builder.add_extension(names, critical=False).sign(key, hashes.SHA256()))


CERTIFICATE = make_certificate()
A_CERTIFICATE = {
    "name": "www",
    "payload": {"certificate": CERTIFICATE.text, "private_key": CERTIFICATE.private_key, "certificate_chain": ""},
}
"""The body of a request for a new secret."""
