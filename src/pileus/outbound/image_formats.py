"""Detects the format of disk images by their first bytes, and refuses images that refer to other files."""

from typing import Literal

from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError

HEAD = 64 << 10
"""The number of bytes that the detection needs."""
SECTOR = 512
WITH_FEATURES = 3
COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}
"""Formats of compressed files, by their first bytes. They are not unpacked: a small file can hold endless data."""
EXTERNAL_DATA = 1 << 2
"""The feature bit of a qcow2 image whose data are in another file."""


class DetectedFormat(Struct, frozen=True):
    """A format, and the size in bytes of a disk made from the image."""

    name: str
    virtual_size: int


def detect_format(head: bytes, size: int) -> DetectedFormat:
    """Return the format of an image of `size` bytes that starts with `head`. Raises DriverError for an unsafe one."""
    if head.startswith(b"QFI\xfb"):
        return _qcow2(head)
    if head.startswith(b"KDMV"):
        return DetectedFormat("vmdk", _number(head, 12, 8, "little") * SECTOR)
    if head.startswith(b"conectix"):
        return DetectedFormat("vhd", _number(head, 48, 8, "big"))
    if head[0x8001:0x8006] == b"CD001":
        return DetectedFormat("iso", size)
    return DetectedFormat("raw", size)


def require_allowed_format(head: bytes, size: int, max_virtual_bytes: int) -> DetectedFormat:
    """Return the format of a tenant's image. Raises DriverError if it is compressed, unsafe, or its disk too large."""
    for magic, name in COMPRESSED.items():
        if head.startswith(magic):
            raise DriverError(f"The image is a {name} file: it must not be compressed", retryable=False)
    image_format = detect_format(head, size)
    if image_format.virtual_size > max_virtual_bytes:
        raise DriverError(
            f"The image describes a disk of {image_format.virtual_size} bytes: at most {max_virtual_bytes} are allowed",
            retryable=False,
        )
    return image_format


def _qcow2(head: bytes) -> DetectedFormat:
    backing, version = _number(head, 8, 8, "big"), _number(head, 4, 4, "big")
    if backing or (version >= WITH_FEATURES and _number(head, 72, 8, "big") & EXTERNAL_DATA):
        raise DriverError("The image is not complete: it refers to another file", retryable=False)
    return DetectedFormat("qcow2", _number(head, 24, 8, "big"))


def _number(head: bytes, offset: int, width: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(head[offset : offset + width], order)
