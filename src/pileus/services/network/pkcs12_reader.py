"""Read PKCS#12 files that have no password, in a process of its own.

Whoever makes a file chooses how long its decryption takes, and the library blocks the whole process meanwhile. So the
process that reads it has little time: its limit of CPU time ends it.
"""

import resource
import subprocess
import sys
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor

import msgspec

from pileus.domain.network.secrets import SecretPayload

CPU_SECONDS = 2
PATIENCE = 30
"""Seconds after which a process that gets no CPU is killed."""
THREADS = ThreadPoolExecutor(2, "pkcs12")
"""Bounds the number of processes at the same time."""


async def read_pkcs12(content: bytes) -> SecretPayload | None:
    """Return the certificate with its private key, or None if the content is no PKCS#12 without a password."""
    return await get_running_loop().run_in_executor(THREADS, _run_reader, content)


def _run_reader(content: bytes) -> SecretPayload | None:
    try:
        output = subprocess.run(  # noqa: S603  # this program itself
            [sys.executable, "-m", __name__], input=content, capture_output=True, timeout=PATIENCE, check=True
        ).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return msgspec.json.decode(output, type=SecretPayload)


def _main() -> None:
    """Read a file from the standard input, and write the texts in it to the standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # counts towards the CPU time
        Encoding,
        NoEncryption,
        PrivateFormat,
        pkcs12,
    )

    try:
        file = pkcs12.load_pkcs12(sys.stdin.buffer.read(), b"")
    except ValueError:
        sys.exit(1)
    if file.key is None or file.cert is None:
        sys.exit(1)
    payload = SecretPayload(
        certificate=file.cert.certificate.public_bytes(Encoding.PEM).decode(),
        private_key=file.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        certificate_chain="".join(
            item.certificate.public_bytes(Encoding.PEM).decode() for item in file.additional_certs
        ),
    )
    sys.stdout.buffer.write(msgspec.json.encode(payload))


if __name__ == "__main__":
    _main()
