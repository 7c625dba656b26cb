"""Put a disk that is one FAT file system into the first partition of a disk with a partition table."""

import struct
from pathlib import Path

BOOT_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
"""Of Debian's syslinux-common: it starts the active partition."""
SECTOR, CODE_LENGTH, FIRST_SECTOR = 512, 440, 2048
HIDDEN_SECTORS = 0x1C
"""Where a FAT boot sector says how many sectors are before it; FAT32 has a copy of the boot sector in sector 6."""
FAT32_LABEL, FAT32_COPY = 0x52, 6
ACTIVE, FAT32_LBA = 0x80, 0x0C
NO_GEOMETRY = b"\xfe\xff\xff"


def partition_disk(file_system: Path, disk: Path) -> None:
    """Write the disk."""
    content = bytearray(file_system.read_bytes())
    offset = struct.pack("<I", FIRST_SECTOR)
    content[HIDDEN_SECTORS : HIDDEN_SECTORS + 4] = offset
    if content[FAT32_LABEL : FAT32_LABEL + 5] == b"FAT32":
        copy = FAT32_COPY * SECTOR + HIDDEN_SECTORS
        content[copy : copy + 4] = offset
    sectors = len(content) // SECTOR
    partition = struct.pack("<B3sB3sII", ACTIVE, NO_GEOMETRY, FAT32_LBA, NO_GEOMETRY, FIRST_SECTOR, sectors)
    code = BOOT_CODE.read_bytes()[:CODE_LENGTH].ljust(CODE_LENGTH, b"\0")
    table = code + b"PILE\0\0" + partition + bytes(48) + b"\x55\xaa"
    disk.write_bytes(table + bytes((FIRST_SECTOR - 1) * SECTOR) + content)
