"""Network address translation: floating IPs, and source NAT of routers (RFC 3022)."""

import random
from collections import OrderedDict, defaultdict
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.qemu.fabric.frames import Ends, Packet, reversed_ends

MOST = 8192
"""Connections that one end may have opened; a further one replaces its oldest."""
FIRST, LAST, TRIES = 32768, 60999, 64
"""Ports for connections whose own port is taken, and how many are tried."""
Key = tuple[int, bytes, int, bytes, int]
Fact = tuple[bytes, str, bytes]
"""What a connection depends on: a public address, its owner (the id of a port or a network), and the inner address."""


class Translation(Struct):
    """How packets of a connection are translated in one direction: their new ends, and the endpoint they go to."""

    ends: Ends
    place: str
    mac: bytes | None
    """The hardware address to send to, where the fabric does not know it."""
    back: tuple[str, Key]
    """The endpoint and the key of the replies."""
    facts: tuple[Fact, ...]


class Nat:
    """All translated connections, by the endpoint that their packets come from and by their ends there."""

    def __init__(self) -> None:
        self._places: defaultdict[str, dict[Key, Translation]] = defaultdict(dict)
        self._begun: defaultdict[str, OrderedDict[Key, None]] = defaultdict(OrderedDict)

    def known(self, place: str, found: Packet, mac: bytes) -> Translation | None:
        """Return the translation of a packet, or of an ICMP error about one; None if it belongs to no connection."""
        if not (connections := self._places.get(place)):
            return None
        if (about := found.about) is not None:
            return connections.get((about.protocol, about.target, about.dport, about.source, about.sport))
        key = _key(found.protocol, found)
        translation = connections.get(key)
        if translation is not None:
            self._use(place, key)
            self._use(*translation.back)
            self._answer(translation, mac)
            self._others(place, found, translation)
        return translation

    def begin(
        self, here: tuple[str, bytes], there: str, found: Packet, as_: tuple[bytes, bytes], facts: tuple[Fact, ...]
    ) -> Translation | None:
        """Open a connection from an endpoint and hardware address to another endpoint, with new addresses.

        Return None if no port of the new source is free, or if the packet cannot open a connection.
        """
        (place, mac), (source, target) = here, as_
        if found.about is not None or not found.first or (ends := self._free(there, found, source, target)) is None:
            return None
        key, back = _key(found.protocol, found), _key(found.protocol, reversed_ends(ends))
        said = Ends(found.target, found.dport, found.source, found.sport)
        self._places[there][back] = Translation(said, place, mac, (place, key), facts)
        forth = Translation(ends, there, None, (there, back), facts)
        self._put(place, key, forth)
        self._others(place, found, forth)
        return forth

    def keep(self, facts: set[Fact], places: set[str]) -> None:
        """Remove connections whose bindings or endpoints are gone."""
        for place, connections in list(self._places.items()):
            kept = {
                key: each for key, each in connections.items()
                if place in places and each.place in places and facts.issuperset(each.facts)
            }  # fmt: skip
            begun = OrderedDict.fromkeys(key for key in self._begun.pop(place, ()) if key in kept)
            del self._places[place]
            if kept:
                self._places[place], self._begun[place] = kept, begun

    def _free(self, there: str, found: Packet, source: bytes, target: bytes) -> Ends | None:
        """Return unused ends for a connection at the endpoint that it goes to."""
        for port in _ports(found, source):
            ends = Ends(source, port, target, port if found.kind >= 0 else found.dport)
            if _key(found.protocol, reversed_ends(ends)) not in self._places[there]:
                return ends
        return None

    def _others(self, place: str, found: Packet, translation: Translation) -> None:
        """Translate further fragments of a packet like its first: they have no ports to look them up by."""
        key = (found.protocol, found.source, 0, found.target, 0)
        if found.fragment and found.first and key != _key(found.protocol, found):
            self._put(place, key, replace(translation, back=(place, key)))

    def _answer(self, translation: Translation, mac: bytes) -> None:
        """Send replies to where the last packet came from: behind a bridge, a router may have changed."""
        place, key = translation.back
        answers = self._places[place].get(key)
        if answers is not None and answers.mac is not None:
            answers.mac = mac

    def _use(self, place: str, key: Key) -> None:
        if key in self._begun[place]:
            self._begun[place].move_to_end(key)

    def _put(self, place: str, key: Key, translation: Translation) -> None:
        self._places[place][key] = translation
        self._begun[place][key] = None
        self._use(place, key)
        if len(self._begun[place]) > MOST:
            oldest, _ = self._begun[place].popitem(last=False)
            if (gone := self._places[place].pop(oldest, None)) is not None:
                there, back = gone.back
                self._places[there].pop(back, None)


def _ports(found: Packet, source: bytes) -> Iterator[int]:
    """Yield ports that a connection may have: its own, and with another source address, random ones."""
    yield found.sport
    if source != found.source and (found.sport or found.dport):
        yield from (random.randint(FIRST, LAST) for _ in range(TRIES))  # noqa: S311  # it only has to be free


def _key(protocol: int, ends: Packet | Ends) -> Key:
    return protocol, ends.source, ends.sport, ends.target, ends.dport
