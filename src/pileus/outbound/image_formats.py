"""Detects the format of disk images by their first bytes, and refuses images that refer to other files.

What reads an image later may detect its format anew, so a format that can name other files is refused as well if it is
not supported.
"""

import re
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
FOREIGN = {
    b"QED\0": "QED",
    b"vhdxfile": "VHDX",
    b"COWD": "VMDK of version 3",
}
"""Formats that can name other files and are not supported, by their first bytes."""
VMDK_TEXT = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:# ?disk descriptorfile|version=[123])", re.IGNORECASE)
"""The start of a VMDK that is only a text: it names the files with the data."""
VMDK_EXTENT = re.compile(r'(?:rw|rdonly|noaccess) +\d+ +sparse +"[^"/\\]*"')
"""The extent of a VMDK that holds its data itself. Its name is that of the file when it was written."""
VMDK_FIELD = re.compile(r"([\w.]+)\s*=\s*(.*)")
VMDK_TYPES = frozenset({"monolithicsparse", "streamoptimized"})
NO_PARENT = "ffffffff"
WHOLE_VHD_TYPES = frozenset({2, 3})
"""Disks of a fixed size, and those that grow; the others have a parent."""
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
        return _vmdk(head)
    if head.startswith(b"conectix"):
        return _vhd(head)
    for magic, name in FOREIGN.items():
        if head.startswith(magic):
            raise _incomplete(f"{name} is not supported")
    if VMDK_TEXT.match(head):
        raise _incomplete("it is the descriptor of a VMDK")
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
        raise _incomplete("it refers to another file")
    return DetectedFormat("qcow2", _number(head, 24, 8, "big"))


def _vmdk(head: bytes) -> DetectedFormat:
    """Accept a VMDK with its own data. One without a capacity is described by its descriptor, which may name files."""
    capacity, descriptor_sector = _number(head, 12, 8, "little"), _number(head, 28, 8, "little")
    text, end, _ = head[SECTOR:].partition(b"\0")
    if capacity == 0 or descriptor_sector != 1 or not end:
        raise _incomplete("a VMDK must have a capacity, and a descriptor in its second sector")
    _check_vmdk_descriptor(text.decode("latin-1").lower())
    return DetectedFormat("vmdk", capacity * SECTOR)


def _check_vmdk_descriptor(text: str) -> None:
    """Check that a descriptor in lower case names no other file. Raises DriverError."""
    lines = [stripped for line in re.split(r"[\r\n]", text) if (stripped := line.strip()) and stripped[0] != "#"]
    fields = [match.groups() for line in lines if (match := VMDK_FIELD.fullmatch(line))]
    extents = [line for line in lines if not VMDK_FIELD.fullmatch(line)]
    types = {value.strip('"') for name, value in fields if name == "createtype"}
    if not types or not types <= VMDK_TYPES:
        raise _incomplete("a VMDK must be of type monolithicSparse or streamOptimized")
    if len(extents) != 1 or not VMDK_EXTENT.fullmatch(extents[0]):
        raise _incomplete("a VMDK must have one sparse extent, in the same file")
    if "parentfilenamehint" in text or any(name == "parentcid" and value != NO_PARENT for name, value in fields):
        raise _incomplete("it refers to another file")


def _vhd(head: bytes) -> DetectedFormat:
    if _number(head, 60, 4, "big") not in WHOLE_VHD_TYPES:
        raise _incomplete("it refers to another file")
    return DetectedFormat("vhd", _number(head, 48, 8, "big"))


def _incomplete(reason: str) -> DriverError:
    return DriverError(f"The image is not complete: {reason}", retryable=False)


def _number(head: bytes, offset: int, width: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(head[offset : offset + width], order)
