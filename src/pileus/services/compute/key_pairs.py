"""Generate SSH key pairs. This is a module of its own because the cryptography library takes long to load."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def generate_key_pair() -> tuple[str, str]:
    """Generate an Ed25519 key pair; return its private and its public key in OpenSSH format."""
    key = Ed25519PrivateKey.generate()
    private_key = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public_key = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private_key.decode(), public_key.decode()
