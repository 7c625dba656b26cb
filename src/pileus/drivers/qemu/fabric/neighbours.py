"""Neighbours: which machine has the address that a packet is routed to. A router finds out by ARP (RFC 826).

A port has its fixed addresses. Any other address that a port may use (by an allowed address pair, as virtual IPs do, or
without port security) belongs to the machine that was the last to answer or to announce it.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec import Struct

from pileus.drivers.qemu.fabric.frames import REQUEST, build_arp_frame
from pileus.drivers.qemu.fabric.ports import SwitchPort
from pileus.drivers.qemu.fabric.tables import NetworkTables, gateway_mac_address

CONFIRMED_TIME, ANSWER_TIME, REQUEST_INTERVAL = 30.0, 5.0, 1.0
"""Seconds for which an answer counts, for which a further one is waited for, and between two requests."""
NEIGHBOUR_LIMIT, WAITING_LIMIT = 1024, 64
"""Addresses that are resolved in a network, and frames that wait for answers in it."""


class Neighbour(Struct, frozen=True):
    """The port that has an address, and the hardware address to send to."""

    port: SwitchPort
    mac: bytes


class Resolution(Struct):
    """The state of an address: who answered last and when, and when machines were asked last."""

    neighbour: Neighbour | None = None
    confirmed_at: float = -math.inf
    asked_at: float = -math.inf


class WaitingFrame(Struct, frozen=True):
    """A frame from an endpoint that waits until it is known who has an address."""

    address: bytes
    endpoint_id: str
    frame: bytes
    expires: float


class NeighbourTable:
    """Who has which address, in all networks."""

    def __init__(self, tables: NetworkTables, clock: Callable[[], float] = time.monotonic) -> None:
        self._tables, self._clock = tables, clock
        self._owners: dict[tuple[str, bytes], SwitchPort] = {}
        self._claimants: dict[str, list[SwitchPort]] = {}
        self._resolutions: dict[str, dict[bytes, Resolution]] = {}
        self._waiting: dict[str, deque[WaitingFrame]] = {}

    def rebuild(self, ports: Mapping[str, SwitchPort], tables: NetworkTables) -> list[tuple[str, bytes]]:
        """Apply changed ports and tables. Return the addresses that ports had by ARP and may no longer have."""
        self._tables, self._owners, self._claimants = tables, {}, {}
        for port in ports.values():
            self._owners |= {(port.network_id, address): port for address in port.addresses}
            if port.pairs or not port.checks_source:
                self._claimants.setdefault(port.network_id, []).append(port)
        lost = list(self._lost_addresses(ports))
        self._resolutions = {
            network_id: {address: entry for address, entry in entries.items() if self._is_valid(entry, address, ports)}
            for network_id, entries in self._resolutions.items()
        }
        self._waiting = {key: frames for key, frames in self._waiting.items() if key in self._claimants}
        return lost

    def may_reach(self, network_id: str, address: bytes) -> bool:
        """Return whether a machine in the network has an address, or may answer a request for it."""
        return (
            (network_id, address) in self._owners
            or address in self._resolutions.get(network_id, ())
            or (self._tables.is_on_link(network_id, address) and any(self._candidates(network_id, address)))
        )

    def find(self, network_id: str, address: bytes) -> Neighbour | None:
        """Return who has an address; None while nobody has answered. Sends requests as needed."""
        entry, owner = self._resolutions.get(network_id, {}).get(address), self._owners.get((network_id, address))
        age = self._clock() - entry.confirmed_at if entry else math.inf
        if entry and entry.neighbour and age < CONFIRMED_TIME + ANSWER_TIME:
            if age > CONFIRMED_TIME:
                self._ask(network_id, address, entry)
            return entry.neighbour
        if owner is not None:
            return Neighbour(owner, owner.mac)
        self._ask(network_id, address, entry or self._add(network_id, address))
        return None

    def learn(self, port: SwitchPort, mac: bytes, address: bytes) -> SwitchPort | None:
        """Record that a port has an address, if packets are routed to it. Return the port that had it before."""
        network_id, entry = port.network_id, self._resolutions.get(port.network_id, {}).get(address)
        owner = self._owners.get((network_id, address))
        previous = entry.neighbour.port if entry and entry.neighbour else owner
        if owner is port:
            self._resolutions.get(network_id, {}).pop(address, None)
        elif entry or owner:
            entry = entry or self._add(network_id, address)
            entry.neighbour, entry.confirmed_at = Neighbour(port, mac), self._clock()
        return previous

    def add_waiting(self, network_id: str, address: bytes, endpoint_id: str, frame: bytes) -> None:
        """Keep a frame until it is known who has an address, for a short time; many frames displace the oldest."""
        frames = self._waiting.setdefault(network_id, deque(maxlen=WAITING_LIMIT))
        frames.append(WaitingFrame(address, endpoint_id, frame, self._clock() + ANSWER_TIME))

    def take_waiting(self, network_id: str, address: bytes) -> list[WaitingFrame]:
        """Remove and return the frames that wait for an address."""
        if not (frames := self._waiting.get(network_id)):
            return []
        current = [waiting for waiting in frames if waiting.expires > self._clock()]
        self._waiting[network_id] = deque(
            (waiting for waiting in current if waiting.address != address), maxlen=WAITING_LIMIT
        )
        return [waiting for waiting in current if waiting.address == address]

    def _candidates(self, network_id: str, address: bytes) -> Iterator[SwitchPort]:
        """Yield the ports that may answer a request for an address."""
        if owner := self._owners.get((network_id, address)):
            yield owner
        claimants = self._claimants.get(network_id, ())
        yield from (port for port in claimants if port is not owner and port.may_have(address))

    def _ask(self, network_id: str, address: bytes, entry: Resolution) -> None:
        now = self._clock()
        if now < entry.asked_at + REQUEST_INTERVAL:
            return
        entry.asked_at = now
        sender = (gateway_mac_address(network_id), self._tables.router_address(network_id, address))
        for port in self._candidates(network_id, address):
            port.send(build_arp_frame(REQUEST, sender, (bytes(6), address)))

    def _add(self, network_id: str, address: bytes) -> Resolution:
        entries = self._resolutions.setdefault(network_id, {})
        while len(entries) >= NEIGHBOUR_LIMIT:
            del entries[next(iter(entries))]
        return entries.setdefault(address, Resolution())

    def _lost_addresses(self, ports: Mapping[str, SwitchPort]) -> Iterable[tuple[str, bytes]]:
        for entries in self._resolutions.values():
            for address, entry in entries.items():
                if entry.neighbour and not self._is_valid(entry, address, ports):
                    yield entry.neighbour.port.id, address

    def _is_valid(self, entry: Resolution, address: bytes, ports: Mapping[str, SwitchPort]) -> bool:
        port = entry.neighbour.port if entry.neighbour else None
        return port is not None and ports.get(port.id) is port and port.may_have(address)
