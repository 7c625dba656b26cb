"""Images of VMware and Hyper-V are accepted if they hold their data, and refused if they name other files."""

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.outbound.image_formats import DetectedFormat, detect_format, require_allowed_format

SECTORS = 2048
EXTENT = 'RW 2048 SPARSE "disk.vmdk"'
DESCRIPTOR = """\
# Disk DescriptorFile
version=1
CID=df1a6dad
parentCID=ffffffff
createType="{create_type}"

# Extent description
{extents}

#DDB
ddb.adapterType = "ide"
"""


def a_descriptor(create_type: str = "monolithicSparse", extents: str = EXTENT) -> str:
    return DESCRIPTOR.format(create_type=create_type, extents=extents)


def a_vmdk(descriptor: str, capacity: int = SECTORS, sector: int = 1) -> bytes:
    """Return the head of a VMDK."""
    header = b"KDMV" + bytes(8) + b"".join(number.to_bytes(8, "little") for number in (capacity, 128, sector, 20))
    return header.ljust(512, b"\0") + descriptor.encode().ljust(20 * 512, b"\0")


def a_vhd(kind: int) -> bytes:
    return b"conectix" + bytes(40) + (1 << 20).to_bytes(8, "big") + bytes(4) + kind.to_bytes(4, "big") + bytes(448)


@pytest.mark.parametrize(
    "descriptor",
    [
        a_descriptor(),
        a_descriptor("streamOptimized").replace("\n", "\r\n"),
        a_descriptor(extents='RDONLY 2048  SPARSE "My disk = 1.vmdk"').replace("parentCID=", "parentCID = "),
    ],
)
def test_a_vmdk_with_its_own_data_is_accepted(descriptor: str) -> None:
    assert detect_format(a_vmdk(descriptor), 7) == DetectedFormat("vmdk", 1 << 20)


@pytest.mark.parametrize(
    "head",
    [
        a_vmdk(a_descriptor("monolithicFlat", 'RW 128 FLAT "/etc/passwd" 0'), capacity=0),
        a_vmdk(a_descriptor(), capacity=0),
        a_vmdk(a_descriptor(), sector=0),
        a_vmdk(a_descriptor(), sector=2),
        a_vmdk(a_descriptor() + "#" * (20 * 512)),
        a_vmdk(""),
        a_vmdk(a_descriptor("monolithicFlat")),
        a_vmdk(a_descriptor() + 'createType="twoGbMaxExtentSparse"\n'),
        a_vmdk(a_descriptor(extents="")),
        a_vmdk(a_descriptor(extents='RW 128 FLAT "/a=b" 0')),
        a_vmdk(a_descriptor(extents='RW 128 SPARSE "/var/lib/other.vmdk"')),
        a_vmdk(a_descriptor(extents=f'{EXTENT}\nRW 128 FLAT "secret" 0')),
        a_vmdk(a_descriptor(extents=f'{EXTENT}\rRW 128 VMFS "secret"')),
        a_vmdk(a_descriptor() + 'parentFileNameHint="/etc/passwd"\n'),
        a_vmdk(a_descriptor().replace("ffffffff", "df1a6dad")),
        a_descriptor("monolithicFlat", 'RW 128 FLAT "/etc/passwd" 0').encode(),
        b"\n# a text\r\n  \nversion=1\n",
        b"COWD" + bytes(508),
        b"QED\0" + bytes(508),
        b"vhdxfile" + bytes(504),
        a_vhd(4),
        a_vhd(0),
    ],
)
def test_an_image_that_can_name_other_files_is_refused(head: bytes) -> None:
    with pytest.raises(DriverError, match="The image is not complete") as refused:
        require_allowed_format(head, len(head), 1 << 40)

    assert not refused.value.retryable


@pytest.mark.parametrize("kind", [2, 3])
def test_a_vhd_without_a_parent_is_accepted(kind: int) -> None:
    assert detect_format(a_vhd(kind), 7) == DetectedFormat("vhd", 1 << 20)


@pytest.mark.parametrize("head", [b"#!/bin/sh\necho version=1\n", b"", b"\n\n\n", b"# disk\n"])
def test_other_texts_are_raw(head: bytes) -> None:
    assert detect_format(head, 7) == DetectedFormat("raw", 7)
