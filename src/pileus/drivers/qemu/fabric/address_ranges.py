"""Ranges of IP addresses, in the form in which packets are compared with them."""

from msgspec import Struct

from pileus.drivers.qemu.fabric.frames import pack_ip_address


class AddressRange(Struct, frozen=True):
    """A range of addresses: network and mask as numbers, and the width of an address in bytes."""

    network: int
    mask: int
    width: int

    def contains(self, address: bytes) -> bool:
        """Return whether an address is in the range."""
        return len(address) == self.width and int.from_bytes(address, "big") & self.mask == self.network


def parse_address_range(text: str) -> AddressRange:
    """Parse an address, or a network in CIDR notation."""
    address, _, length = text.partition("/")
    content = pack_ip_address(address)
    bits = 8 * len(content)
    mask = (1 << bits) - (1 << (bits - int(length or bits)))
    return AddressRange(int.from_bytes(content, "big") & mask, mask, len(content))
