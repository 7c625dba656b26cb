"""Backends of HAProxy's configuration: one for each pool and listener that uses it."""

import hashlib
from collections.abc import Iterator, Mapping

from msgspec import Struct

from pileus.domain.load_balancers.health_monitors import HealthMonitorType
from pileus.domain.load_balancers.listeners import ListenerProtocol
from pileus.domain.load_balancers.pools import BalancingAlgorithm, PoolProtocol, SessionPersistenceType
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import HealthMonitorSpec, ListenerSpec, MemberSpec, PoolSpec
from pileus.drivers.qemu.haproxy.files import PoolFiles
from pileus.drivers.qemu.haproxy.quoted_words import quote_word

HTTP_LISTENERS = frozenset({ListenerProtocol.HTTP, ListenerProtocol.TERMINATED_HTTPS})
MONITOR_TYPES = frozenset(
    {HealthMonitorType.HTTP, HealthMonitorType.HTTPS, HealthMonitorType.TCP, HealthMonitorType.TLS_HELLO}
)
POOL_PROTOCOLS = frozenset(PoolProtocol) - {PoolProtocol.UDP}
ALGORITHMS: Mapping[str, str] = {
    BalancingAlgorithm.ROUND_ROBIN: "roundrobin",
    BalancingAlgorithm.LEAST_CONNECTIONS: "leastconn",
    BalancingAlgorithm.SOURCE_IP: "source",
}
PROXY_OPTIONS: Mapping[str, str] = {PoolProtocol.PROXY: "send-proxy", PoolProtocol.PROXYV2: "send-proxy-v2"}
DEFAULT_COOKIE = "SRV"
CONNECT_TIMEOUT, MEMBER_TIMEOUT, LONGEST_TIMEOUT = 5_000, 50_000, 86_400_000
"""Milliseconds: for pools that no listener uses, and in place of 0, which stands for no limit."""
MAX_SERVER_ID = (1 << 31) - 1


class ServerState(Struct, frozen=True):
    """What can be changed of a server without another configuration."""

    weight: int
    enabled: bool


class Backend(Struct, frozen=True, kw_only=True):
    """A backend to write: a pool, its contents, and the listener that uses it."""

    pool: PoolSpec
    listener: ListenerSpec | None
    members: list[MemberSpec]
    monitor: HealthMonitorSpec | None
    files: PoolFiles

    @property
    def name(self) -> str:
        """The name of the backend."""
        return backend_name(self.pool.id, self.listener.id if self.listener else None)

    @property
    def reads_http(self) -> bool:
        """Whether the load balancer reads the requests."""
        return self.listener is not None and self.listener.protocol in HTTP_LISTENERS

    @property
    def states(self) -> dict[str, ServerState]:
        """The states of the servers by their names, with the backend."""
        return {
            f"{self.name}/{member.id}": ServerState(member.weight, member.admin_state_up)
            for member in (self.members if self.pool.admin_state_up else ())
        }

    def lines(self, *, with_states: bool = True) -> Iterator[str]:
        """Yield the lines of the section; without states, they do not depend on what can be changed later."""
        check_pool_is_balanced(self.pool, self.monitor)
        yield f"backend {self.name}"
        yield f"mode {'http' if self.reads_http else 'tcp'}"
        yield from self._balance_lines()
        yield from self._timeout_lines()
        yield "option allbackups"
        yield "option redispatch"
        yield "load-server-state-from-file global"
        if self.reads_http and self.listener and self.listener.insert_x_forwarded:
            yield "option forwardfor"
        yield from self._cookie_lines()
        if self.monitor:
            yield from _check_lines(self.monitor)
        yield from self._server_lines(with_states=with_states)

    def _balance_lines(self) -> Iterator[str]:
        persistence = self.pool.session_persistence
        is_by_source = persistence is not None and persistence.type == SessionPersistenceType.SOURCE_IP
        yield f"balance {'source' if is_by_source else ALGORITHMS[self.pool.lb_algorithm]}"
        if is_by_source or self.pool.lb_algorithm == BalancingAlgorithm.SOURCE_IP:
            yield "hash-type consistent djb2 avalanche"

    def _timeout_lines(self) -> Iterator[str]:
        pool, listener = self.pool, self.listener
        connect = pool.timeout_member_connect or (listener.timeout_member_connect if listener else CONNECT_TIMEOUT)
        data = pool.timeout_member_data or (listener.timeout_member_data if listener else MEMBER_TIMEOUT)
        yield f"timeout connect {connect or LONGEST_TIMEOUT}ms"
        yield f"timeout server {data or LONGEST_TIMEOUT}ms"

    def _cookie_lines(self) -> Iterator[str]:
        """Yield the line of cookies. The name of the member is in the cookie: nothing is lost by a restart."""
        persistence = self.pool.session_persistence
        if persistence is None or not self._has_cookies:
            return
        name = quote_word(persistence.cookie_name or DEFAULT_COOKIE)
        is_own = persistence.type == SessionPersistenceType.HTTP_COOKIE
        yield f"cookie {name} {'insert indirect nocache' if is_own else 'prefix nocache'}"

    @property
    def _has_cookies(self) -> bool:
        persistence = self.pool.session_persistence
        return self.reads_http and persistence is not None and persistence.type != SessionPersistenceType.SOURCE_IP

    def _server_lines(self, *, with_states: bool) -> Iterator[str]:
        if not self.pool.admin_state_up:
            return
        numbers = _server_numbers(self.members)
        for member in self.members:
            words = [
                "server",
                member.id,
                socket_address(member.address, member.protocol_port),
                f"id {numbers[member.id]}",
            ]
            if with_states:
                words += [f"weight {member.weight}", *(() if member.admin_state_up else ["disabled"])]
            words += ["backup"] if member.backup else []
            words += [f"cookie {derive_cookie(member.id)}"] if self._has_cookies else []
            words += self._tls_words()
            words += [PROXY_OPTIONS[self.pool.protocol]] if self.pool.protocol in PROXY_OPTIONS else []
            yield " ".join([*words, *self._check_words(member)])

    def _tls_words(self) -> list[str]:
        if not self._is_encrypted:
            return []
        words = ["ssl"]
        if self.files.authorities:
            words += [f"verify required ca-file {self.files.authorities}"]
            words += [f"crl-file {self.files.revocations}"] if self.files.revocations else []
        else:
            words += ["verify none"]
        return [*words, f"crt {self.files.certificate}"] if self.files.certificate else words

    @property
    def _is_encrypted(self) -> bool:
        """Whether the load balancer encrypts: what clients have encrypted is passed through."""
        pool, listener = self.pool, self.listener
        if pool.protocol != PoolProtocol.HTTPS or (listener and listener.protocol == ListenerProtocol.HTTPS):
            return False
        return self.reads_http or bool(pool.secret_id or pool.ca_secret_id)

    def _check_words(self, member: MemberSpec) -> list[str]:
        monitor = self.monitor
        if monitor is None:
            return []
        words = [f"check inter {monitor.delay}s fall {monitor.max_retries_down} rise {monitor.max_retries}"]
        words += [f"addr {member.monitor_address}"] if member.monitor_address else []
        words += [f"port {member.monitor_port}"] if member.monitor_port else []
        if monitor.type in (HealthMonitorType.HTTPS, HealthMonitorType.TLS_HELLO):
            return [*words, "check-ssl"] if self._is_encrypted else [*words, "check-ssl verify none"]
        return [*words, "no-check-ssl"] if self._is_encrypted else words


def check_pool_is_balanced(pool: PoolSpec, monitor: HealthMonitorSpec | None) -> None:
    """Raise DriverError for a pool or a monitor that HAProxy does not have."""
    if pool.protocol not in POOL_PROTOCOLS:
        raise DriverError(f"Pool {pool.id} has protocol {pool.protocol}, which is not balanced here", retryable=False)
    if monitor and monitor.type not in MONITOR_TYPES:
        raise DriverError(
            f"Health monitor {monitor.id} has type {monitor.type}, which is not offered here", retryable=False
        )


def backend_name(pool_id: str, listener_id: str | None) -> str:
    """Return the name of the backend of a pool and a listener."""
    return f"{pool_id}:{listener_id}" if listener_id else pool_id


def derive_cookie(member_id: str) -> str:
    """Return what stands for a member in cookies, which does not disclose its id."""
    return hashlib.sha256(member_id.encode()).hexdigest()[:16]


def socket_address(address: str, port: int) -> str:
    """Return an address with a port, as HAProxy reads it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _server_numbers(members: list[MemberSpec]) -> dict[str, int]:
    """Return a number for each member, which consistent hashing distributes by: it stays when others come and go."""
    numbers: dict[str, int] = {}
    for member_id in sorted(member.id for member in members):
        number = int.from_bytes(hashlib.sha256(member_id.encode()).digest()[:4], "big") % MAX_SERVER_ID + 1
        while number in numbers.values():
            number = number % MAX_SERVER_ID + 1
        numbers[member_id] = number
    return numbers


def _check_lines(monitor: HealthMonitorSpec) -> Iterator[str]:
    yield f"timeout check {monitor.timeout}s"
    if monitor.type not in (HealthMonitorType.HTTP, HealthMonitorType.HTTPS):
        return
    version = monitor.http_version or "1.0"
    words = ["http-check send", f"meth {quote_word(monitor.http_method or 'GET')}"]
    words += [f"uri {quote_word(monitor.url_path or '/')}", f"ver {quote_word(f'HTTP/{version}')}"]
    if monitor.domain_name:
        words += [f"hdr Host {quote_word(monitor.domain_name)}"]
    yield "option httpchk"
    yield " ".join(words)
    yield f"http-check expect status {quote_word((monitor.expected_codes or '200').replace(' ', ''))}"
