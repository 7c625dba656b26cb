"""Formats of disk images: told from an image's first bytes, and refused where they lead to files outside of it."""

from typing import Literal

from msgspec import Struct

from pileus.drivers.protocols.compute import DriverError

HEAD = 64 << 10
"""How many of an image's first bytes tell its format."""
SECTOR = 512
WITH_FEATURES = 3
EXTERNAL_DATA = 1 << 2
"""The bit of a qcow2 image that says that its data are in another file."""


class Format(Struct, frozen=True):
    """A format, and how many bytes a disk of the image has."""

    name: str
    virtual_size: int


def recognised(head: bytes, size: int) -> Format:
    """The format of an image of `size` bytes with this head; raises DriverError for one that is not to be trusted."""
    if head.startswith(b"QFI\xfb"):
        return _qcow2(head)
    if head.startswith(b"KDMV"):
        return Format("vmdk", _number(head, 12, 8, "little") * SECTOR)
    if head.startswith(b"conectix"):
        return Format("vhd", _number(head, 48, 8, "big"))
    if head[0x8001:0x8006] == b"CD001":
        return Format("iso", size)
    return Format("raw", size)


def _qcow2(head: bytes) -> Format:
    backing, version = _number(head, 8, 8, "big"), _number(head, 4, 4, "big")
    if backing or (version >= WITH_FEATURES and _number(head, 72, 8, "big") & EXTERNAL_DATA):
        raise DriverError("The image is not whole: it refers to another file", retryable=False)
    return Format("qcow2", _number(head, 24, 8, "big"))


def _number(head: bytes, at: int, width: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(head[at : at + width], order)
