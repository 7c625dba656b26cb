"""Network address translation: floating IPs, and source NAT of routers (RFC 3022)."""

import random
from collections import OrderedDict, defaultdict
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.qemu.fabric.frames import AddressesAndPorts, Packet, reversed_ends

CONNECTION_LIMIT = 8192
"""Connections that one end may have opened; a further one replaces its oldest."""
FIRST_PORT, LAST_PORT, PORT_ATTEMPTS = 32768, 60999, 64
"""Ports for connections whose own port is taken, and how many are tried."""
Key = tuple[int, bytes, int, bytes, int]
Binding = tuple[bytes, str, bytes]
"""What a connection depends on: a public address, its owner (the id of a port or a network), and the inner address."""


class Translation(Struct):
    """The translation of a connection in one direction: the new ends of packets, and the endpoint they go to."""

    ends: AddressesAndPorts
    endpoint_id: str
    mac: bytes
    """The hardware address to send to."""
    reply: tuple[str, Key]
    """The endpoint and the key of the replies."""
    bindings: tuple[Binding, ...]


class Nat:
    """All translated connections, by the endpoint that their packets come from and by their ends there."""

    def __init__(self) -> None:
        self._connections: defaultdict[str, dict[Key, Translation]] = defaultdict(dict)
        self._by_age: defaultdict[str, OrderedDict[Key, None]] = defaultdict(OrderedDict)

    def look_up(self, endpoint_id: str, packet: Packet, mac: bytes) -> Translation | None:
        """Return the translation of a packet, or of an ICMP error about one; None if it belongs to no connection."""
        if not (connections := self._connections.get(endpoint_id)):
            return None
        if (quoted := packet.quoted) is not None:
            return connections.get((quoted.protocol, quoted.target, quoted.dport, quoted.source, quoted.sport))
        key = _connection_key(packet.protocol, packet)
        translation = connections.get(key)
        if translation is not None:
            self._touch(endpoint_id, key)
            self._touch(*translation.reply)
            self._update_reply_mac(translation, mac)
            self._add_fragments(endpoint_id, packet, translation)
        return translation

    def open_connection(
        self,
        source_endpoint: tuple[str, bytes],
        target_endpoint: tuple[str, bytes],
        packet: Packet,
        new_addresses: tuple[bytes, bytes],
        bindings: tuple[Binding, ...],
    ) -> Translation | None:
        """Open a connection between two endpoints, each with a hardware address, with new addresses.

        Return None if no port of the new source is free, or if the packet cannot open a connection.
        """
        (source_id, mac), (target_id, target_mac), (source, target) = source_endpoint, target_endpoint, new_addresses
        if (
            packet.quoted is not None
            or not packet.first
            or (ends := self._choose_ends(target_id, packet, source, target)) is None
        ):
            return None
        key, reply_key = _connection_key(packet.protocol, packet), _connection_key(packet.protocol, reversed_ends(ends))
        reply_ends = AddressesAndPorts(packet.target, packet.dport, packet.source, packet.sport)
        self._connections[target_id][reply_key] = Translation(reply_ends, source_id, mac, (source_id, key), bindings)
        translation = Translation(ends, target_id, target_mac, (target_id, reply_key), bindings)
        self._insert(source_id, key, translation)
        self._add_fragments(source_id, packet, translation)
        return translation

    def remove_connections_of_address(self, endpoint_id: str, address: bytes) -> None:
        """Remove the connections that an endpoint has by an address that it no longer has."""
        for key, translation in list(self._connections.get(endpoint_id, {}).items()):
            if key[1] == address:
                reply_endpoint_id, reply_key = translation.reply
                for owner_id, owner_key in ((endpoint_id, key), (reply_endpoint_id, reply_key)):
                    self._connections[owner_id].pop(owner_key, None)
                    self._by_age[owner_id].pop(owner_key, None)

    def remove_stale_connections(self, valid_bindings: set[Binding], existing_endpoint_ids: set[str]) -> None:
        """Remove connections whose bindings or endpoints are gone."""
        for endpoint_id, connections in list(self._connections.items()):
            remaining = {
                key: translation for key, translation in connections.items()
                if existing_endpoint_ids.issuperset((endpoint_id, translation.endpoint_id))
                and valid_bindings.issuperset(translation.bindings)
            }  # fmt: skip
            by_age = OrderedDict.fromkeys(key for key in self._by_age.pop(endpoint_id, ()) if key in remaining)
            del self._connections[endpoint_id]
            if remaining:
                self._connections[endpoint_id], self._by_age[endpoint_id] = remaining, by_age

    def _choose_ends(self, endpoint_id: str, packet: Packet, source: bytes, target: bytes) -> AddressesAndPorts | None:
        """Return unused ends for a connection at the endpoint that it goes to."""
        for port in _candidate_ports(packet, source):
            ends = AddressesAndPorts(source, port, target, port if packet.kind >= 0 else packet.dport)
            if _connection_key(packet.protocol, reversed_ends(ends)) not in self._connections[endpoint_id]:
                return ends
        return None

    def _add_fragments(self, endpoint_id: str, packet: Packet, translation: Translation) -> None:
        """Translate further fragments of a packet like its first: they have no ports to look them up by."""
        key = (packet.protocol, packet.source, 0, packet.target, 0)
        if packet.fragment and packet.first and key != _connection_key(packet.protocol, packet):
            self._insert(endpoint_id, key, replace(translation, reply=(endpoint_id, key)))

    def _update_reply_mac(self, translation: Translation, mac: bytes) -> None:
        """Send replies to where the last packet came from: behind a bridge, a router may have changed."""
        endpoint_id, key = translation.reply
        reply = self._connections[endpoint_id].get(key)
        if reply is not None:
            reply.mac = mac

    def _touch(self, endpoint_id: str, key: Key) -> None:
        if key in self._by_age[endpoint_id]:
            self._by_age[endpoint_id].move_to_end(key)

    def _insert(self, endpoint_id: str, key: Key, translation: Translation) -> None:
        self._connections[endpoint_id][key] = translation
        self._by_age[endpoint_id][key] = None
        self._touch(endpoint_id, key)
        if len(self._by_age[endpoint_id]) > CONNECTION_LIMIT:
            oldest, _ = self._by_age[endpoint_id].popitem(last=False)
            if (removed := self._connections[endpoint_id].pop(oldest, None)) is not None:
                reply_endpoint_id, reply_key = removed.reply
                self._connections[reply_endpoint_id].pop(reply_key, None)


def _candidate_ports(packet: Packet, source: bytes) -> Iterator[int]:
    """Yield ports that a connection may have: its own, and with another source address, random ones."""
    yield packet.sport
    if source != packet.source and (packet.sport or packet.dport):
        yield from (random.randint(FIRST_PORT, LAST_PORT) for _ in range(PORT_ATTEMPTS))  # noqa: S311  # no secret


def _connection_key(protocol: int, ends: Packet | AddressesAndPorts) -> Key:
    return protocol, ends.source, ends.sport, ends.target, ends.dport
