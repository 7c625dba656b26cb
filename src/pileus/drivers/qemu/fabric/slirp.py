"""libslirp by its C interface: a TCP/IP stack in user space, by which machines leave the host without privileges.

QEMU's user networking is made of the same library, which is installed with it. Only version 3 of its interface is used.
"""

import asyncio
import ctypes
import select
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_bool,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_ssize_t,
    c_uint8,
    c_uint32,
    c_void_p,
)
from ctypes.util import find_library

from pileus.drivers.qemu.fabric.frames import pack_ip_address

NETWORK, MASK, HOST, RESOLVER = "169.254.0.0", "255.255.0.0", "169.254.0.1", "169.254.169.253"
"""The addresses of libslirp for machines: link-local, so that they fit any network."""
LOOPBACK = "127.0.0.1"
POLL_IN, POLL_OUT, POLL_PRI, POLL_ERR, POLL_HUP = 1, 2, 4, 8, 16
TO_EPOLL = ((POLL_IN, select.EPOLLIN), (POLL_OUT, select.EPOLLOUT), (POLL_PRI, select.EPOLLPRI))
FROM_EPOLL = (*TO_EPOLL, (POLL_ERR, select.EPOLLERR), (POLL_HUP, select.EPOLLHUP))
NEVER = 0xFFFFFFFF


class InAddr(Structure):
    """`struct in_addr`."""

    _fields_ = (("s_addr", c_uint32),)


class In6Addr(Structure):
    """`struct in6_addr`."""

    _fields_ = (("s6_addr", c_uint8 * 16),)


class Config(Structure):
    """`SlirpConfig`, up to version 3."""

    _fields_ = (
        ("version", c_uint32), ("restricted", c_int), ("in_enabled", c_bool), ("vnetwork", InAddr),
        ("vnetmask", InAddr), ("vhost", InAddr), ("in6_enabled", c_bool), ("vprefix_addr6", In6Addr),
        ("vprefix_len", c_uint8), ("vhost6", In6Addr), ("vhostname", c_char_p), ("tftp_server_name", c_char_p),
        ("tftp_path", c_char_p), ("bootfile", c_char_p), ("vdhcp_start", InAddr), ("vnameserver", InAddr),
        ("vnameserver6", In6Addr), ("vdnssearch", c_void_p), ("vdomainname", c_char_p), ("if_mtu", c_size_t),
        ("if_mru", c_size_t), ("disable_host_loopback", c_bool), ("enable_emu", c_bool), ("outbound_addr", c_void_p),
        ("outbound_addr6", c_void_p), ("disable_dns", c_bool),
    )  # fmt: skip


SEND_CALLBACK = CFUNCTYPE(c_ssize_t, c_void_p, c_size_t, c_void_p)
ERROR_CALLBACK = CFUNCTYPE(None, c_char_p, c_void_p)
CLOCK_CALLBACK = CFUNCTYPE(c_int64, c_void_p)
TIMER_CALLBACK = CFUNCTYPE(None, c_void_p)
TIMER_NEW = CFUNCTYPE(c_void_p, TIMER_CALLBACK, c_void_p, c_void_p)
TIMER_FREE = CFUNCTYPE(None, c_void_p, c_void_p)
TIMER_MOD = CFUNCTYPE(None, c_void_p, c_int64, c_void_p)
WATCH = CFUNCTYPE(None, c_int, c_void_p)
NOTIFY = CFUNCTYPE(None, c_void_p)
ADD_POLL = CFUNCTYPE(c_int, c_int, c_int, c_void_p)
GET_EVENTS = CFUNCTYPE(c_int, c_int, c_void_p)


class Callbacks(Structure):
    """`SlirpCb`, as of version 3."""

    _fields_ = (
        ("send_packet", SEND_CALLBACK), ("guest_error", ERROR_CALLBACK), ("clock_get_ns", CLOCK_CALLBACK),
        ("timer_new", TIMER_NEW), ("timer_free", TIMER_FREE), ("timer_mod", TIMER_MOD), ("register_poll_fd", WATCH),
        ("unregister_poll_fd", WATCH), ("notify", NOTIFY),
    )  # fmt: skip


def load_library() -> ctypes.CDLL:
    """Load libslirp. Raises OSError if it is not installed."""
    name = find_library("slirp") or "libslirp.so.0"
    library = ctypes.CDLL(name)
    library.slirp_new.restype = c_void_p
    library.slirp_new.argtypes = (POINTER(Config), POINTER(Callbacks), c_void_p)
    library.slirp_cleanup.argtypes = (c_void_p,)
    library.slirp_input.argtypes = (c_void_p, c_char_p, c_int)
    library.slirp_pollfds_fill.argtypes = (c_void_p, POINTER(c_uint32), ADD_POLL, c_void_p)
    library.slirp_pollfds_poll.argtypes = (c_void_p, c_int, GET_EVENTS, c_void_p)
    library.slirp_add_hostfwd.argtypes = (c_void_p, c_int, InAddr, c_int, InAddr, c_int)
    library.slirp_remove_hostfwd.argtypes = (c_void_p, c_int, InAddr, c_int)
    library.slirp_add_unix.argtypes = (c_void_p, c_char_p, POINTER(InAddr), c_int)
    return library


class Slirp:
    """An instance of libslirp for one machine, in the running event loop; `send` is called with each frame from it."""

    def __init__(self, library: ctypes.CDLL, send: Callable[[bytes], None], mtu: int) -> None:
        self._library, self._send = library, send
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._sockets: set[int] = set()
        self._unannounced = 0
        self._timers: dict[int, tuple[Callable[[c_void_p], None], c_void_p, asyncio.TimerHandle | None]] = {}
        self._scheduled_update: asyncio.Handle | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self._callbacks = self._make_callbacks()
        self._instance = library.slirp_new(byref(_config(mtu)), byref(self._callbacks), None)
        if not self._instance:
            raise OSError("libslirp could not be started")
        self._loop.add_reader(self._epoll.fileno(), self._poll)
        self._schedule_update()

    @property
    def open_sockets(self) -> int:
        """The number of sockets of libslirp: those that it has announced, and others that it asks events of."""
        return len(self._sockets) + self._unannounced

    def pass_frame(self, frame: bytes) -> None:
        """Pass a frame of the machine to libslirp."""
        self._library.slirp_input(self._instance, frame, len(frame))
        self._schedule_update()

    def add_host_forward(self, protocol: str, host_port: int, address: str, port: int) -> bool:
        """Forward a port of the host's loopback address to the machine. Return whether the port was free."""
        error = self._library.slirp_add_hostfwd(
            self._instance, int(protocol == "udp"), _in_addr(LOOPBACK), host_port, _in_addr(address), port
        )
        self._schedule_update()
        return not error

    def remove_host_forward(self, protocol: str, host_port: int) -> None:
        """Close a forwarded port of the host."""
        self._library.slirp_remove_hostfwd(self._instance, int(protocol == "udp"), _in_addr(LOOPBACK), host_port)
        self._schedule_update()

    def connect_address_to_unix_socket(self, path: str, address: str, port: int) -> bool:
        """Connect what the machine sends to a link-local address with a Unix socket. Return whether that succeeded."""
        return not self._library.slirp_add_unix(self._instance, path.encode(), byref(_in_addr(address)), port)

    def close(self) -> None:
        """Close all connections."""
        self._loop.remove_reader(self._epoll.fileno())
        for handle in (self._scheduled_update, self._timeout, *(timer[2] for timer in self._timers.values())):
            if handle:
                handle.cancel()
        self._library.slirp_cleanup(self._instance)
        self._epoll.close()

    def _schedule_update(self) -> None:
        if self._scheduled_update is None:
            self._scheduled_update = self._loop.call_soon(self._update)

    def _update(self) -> None:
        """Ask libslirp for its descriptors and its timeout, and watch them."""
        self._scheduled_update = None
        events_by_descriptor: dict[int, int] = {}
        self._order: list[int] = []

        def add(descriptor: int, events: int, _: object) -> int:
            events_by_descriptor[descriptor] = events_by_descriptor.get(descriptor, 0) | _to_epoll(events, TO_EPOLL)
            self._order.append(descriptor)
            return len(self._order) - 1

        timeout = c_uint32(NEVER)
        self._library.slirp_pollfds_fill(self._instance, byref(timeout), ADD_POLL(add), None)
        self._unannounced = len(events_by_descriptor.keys() - self._sockets)
        self._watch(events_by_descriptor)
        if self._timeout:
            self._timeout.cancel()
        later = timeout.value != NEVER
        self._timeout = self._loop.call_later(timeout.value / 1000, self._poll) if later else None

    def _watch(self, events_by_descriptor: dict[int, int]) -> None:
        for descriptor in self._watched.keys() - events_by_descriptor.keys():
            with suppress(OSError):
                self._epoll.unregister(descriptor)
        for descriptor, events in events_by_descriptor.items():
            if descriptor not in self._watched:
                self._register(descriptor, events)
            elif self._watched[descriptor] != events:
                self._modify(descriptor, events)
        self._watched = events_by_descriptor

    def _register(self, descriptor: int, events: int) -> None:
        try:
            self._epoll.register(descriptor, events)
        except FileExistsError:
            self._epoll.modify(descriptor, events)

    def _modify(self, descriptor: int, events: int) -> None:
        try:
            self._epoll.modify(descriptor, events)
        except FileNotFoundError:
            # It was closed, and another file has its number.
            self._epoll.register(descriptor, events)

    def _poll(self) -> None:
        """Make libslirp handle the pending events."""
        ready = {descriptor: _from_epoll(events) for descriptor, events in self._epoll.poll(0)}
        descriptors = self._order

        def events_of(index: int, _: object) -> int:
            return ready.get(descriptors[index], 0)

        self._library.slirp_pollfds_poll(self._instance, 0, GET_EVENTS(events_of), None)
        # A number may be closed and reused before the next update.
        self._watched = dict.fromkeys(self._watched, -1)
        self._schedule_update()

    def _make_callbacks(self) -> Callbacks:
        def send(content: int, length: int, _: object) -> int:
            self._send(ctypes.string_at(content, length))
            return length

        def timer_free(timer: int, _: object) -> None:
            handle = self._timers.pop(timer)[2]
            if handle:
                handle.cancel()

        return Callbacks(
            SEND_CALLBACK(send),
            ERROR_CALLBACK(lambda *_: None),
            CLOCK_CALLBACK(lambda _: time.monotonic_ns()),
            TIMER_NEW(self._timer_new),
            TIMER_FREE(timer_free),
            TIMER_MOD(self._timer_mod),
            WATCH(lambda descriptor, _: self._sockets.add(descriptor)),
            WATCH(lambda descriptor, _: self._sockets.discard(descriptor)),
            NOTIFY(lambda _: self._schedule_update()),
        )

    def _timer_new(self, callback: Callable[[c_void_p], None], data: c_void_p, _: object) -> int:
        number = max(self._timers, default=0) + 1
        self._timers[number] = (callback, data, None)
        return number

    def _timer_mod(self, timer: int, when: int, _: object) -> None:
        """Set a timer to a time in milliseconds of the clock."""
        callback, data, handle = self._timers[timer]
        if handle:
            handle.cancel()
        delay = max(when / 1000 - time.monotonic(), 0)
        self._timers[timer] = (callback, data, self._loop.call_later(delay, callback, data))


def _config(mtu: int) -> Config:
    config = Config(version=3, in_enabled=True, disable_host_loopback=True, if_mtu=mtu, if_mru=mtu)
    config.vnetwork, config.vnetmask, config.vhost = _in_addr(NETWORK), _in_addr(MASK), _in_addr(HOST)
    config.vdhcp_start, config.vnameserver = _in_addr("169.254.0.2"), _in_addr(RESOLVER)
    return config


def _in_addr(address: str) -> InAddr:
    return InAddr(int.from_bytes(pack_ip_address(address), "little"))


def _to_epoll(events: int, table: tuple[tuple[int, int], ...]) -> int:
    return sum(epoll_flag for slirp_flag, epoll_flag in table if events & slirp_flag)


def _from_epoll(events: int) -> int:
    return sum(slirp_flag for slirp_flag, epoll_flag in FROM_EPOLL if events & epoll_flag)
