"""HAProxy's configuration of a load balancer. What tenants name is never in it; what they choose is quoted."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pileus.domain.ip_addresses import ip_network
from pileus.domain.load_balancers.listeners import ListenerProtocol
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import L7RuleSpec, ListenerSpec, LoadBalancerSpec
from pileus.drivers.qemu.haproxy.backends import (
    HTTP_LISTENERS,
    LONGEST_TIMEOUT,
    Backend,
    ServerState,
    backend_name,
    socket_address,
)
from pileus.drivers.qemu.haproxy.files import TlsFiles
from pileus.drivers.qemu.haproxy.l7 import policy_lines
from pileus.drivers.qemu.haproxy.quoted_words import quote_word

LISTENER_PROTOCOLS = frozenset(ListenerProtocol) - {ListenerProtocol.UDP}
STATS_SOCKET, MASTER_SOCKET, SERVER_STATES = "stats.sock", "master.sock", "../server-states"
"""Paths as HAProxy sees them."""
MAX_FORMER_WORKERS = 10
"""Processes that end their connections after a change; the oldest one ends at once when there are more."""
RANGES_PER_LINE = 40
"""HAProxy reads at most 64 words of a line."""


class HaproxyLimits(Struct, frozen=True, kw_only=True):
    """How much HAProxy may use, as the flavor says."""

    threads: int
    connections: int


class HaproxyConfiguration(Struct, frozen=True, kw_only=True):
    """A configuration: its text, the text without what can be changed while it is loaded, and the latter."""

    text: str
    fixed: str
    states: dict[str, ServerState]
    files: TlsFiles

    @classmethod
    def of(cls, spec: LoadBalancerSpec, limits: HaproxyLimits) -> "HaproxyConfiguration":
        """Write the configuration of a load balancer. Raises DriverError for what HAProxy does not have."""
        files = TlsFiles.of(spec)
        backends = list(_backends(spec, files))
        frontends = list(_frontend_lines(spec, files, limits))
        texts = [
            _join([*_global_lines(limits), *frontends, *(line for backend in backends for line in lines(backend))])
            for lines in (Backend.lines, _fixed_lines)
        ]
        states = {name: state for backend in backends for name, state in backend.states.items()}
        return cls(text=texts[0], fixed=texts[1], states=states, files=files)


def _fixed_lines(backend: Backend) -> Iterator[str]:
    return backend.lines(with_states=False)


def _join(lines: Iterable[str]) -> str:
    sections = ("global", "defaults", "frontend", "backend", "userlist")
    return "".join(f"{line}\n" if line.split(" ", 1)[0] in sections else f"    {line}\n" for line in lines)


def _global_lines(limits: HaproxyLimits) -> Iterator[str]:
    yield "global"
    yield f"stats socket unix@{STATS_SOCKET} mode 600 level admin expose-fd listeners"
    yield f"server-state-file {SERVER_STATES}"
    yield f"maxconn {limits.connections}"
    yield f"nbthread {limits.threads}"
    yield f"mworker-max-reloads {MAX_FORMER_WORKERS}"
    yield "ssl-default-bind-options ssl-min-ver TLSv1.2"
    yield "ssl-default-server-options ssl-min-ver TLSv1.2"
    yield "tune.ssl.default-dh-param 2048"
    # Without a section that listens, HAProxy does not start.
    yield "frontend idle"
    yield "mode tcp"
    yield "bind unix@idle.sock mode 600"
    yield "timeout client 1s"
    yield "tcp-request connection reject"


def _backends(spec: LoadBalancerSpec, files: TlsFiles) -> Iterator[Backend]:
    """Yield the backends of all pools; one that no listener uses has one as well, which checks its members."""
    monitors = {monitor.pool_id: monitor for monitor in spec.health_monitors if monitor.admin_state_up}
    users = {pool.id: _listeners_of_pool(spec, pool.id) for pool in spec.pools}
    for pool in spec.pools:
        members = [member for member in spec.members if member.pool_id == pool.id]
        for listener in users[pool.id] or [None]:
            yield Backend(
                pool=pool,
                listener=listener,
                members=members,
                monitor=monitors.get(pool.id),
                files=files.pools[pool.id],
            )


def _listeners_of_pool(spec: LoadBalancerSpec, pool_id: str) -> list[ListenerSpec | None]:
    redirecting = {policy.listener_id for policy in spec.l7_policies if policy.redirect_pool_id == pool_id}
    return [
        listener for listener in spec.listeners if listener.default_pool_id == pool_id or listener.id in redirecting
    ]


def _frontend_lines(spec: LoadBalancerSpec, files: TlsFiles, limits: HaproxyLimits) -> Iterator[str]:
    for listener in spec.listeners:
        if listener.protocol not in LISTENER_PROTOCOLS:
            raise DriverError(
                f"Listener {listener.id} has protocol {listener.protocol}, which is not balanced here", retryable=False
            )
        if listener.admin_state_up and spec.admin_state_up:
            yield from _listener_lines(spec, listener, files, limits)


def _listener_lines(
    spec: LoadBalancerSpec, listener: ListenerSpec, files: TlsFiles, limits: HaproxyLimits
) -> Iterator[str]:
    is_metrics = listener.protocol == ListenerProtocol.PROMETHEUS
    reads_http = is_metrics or listener.protocol in HTTP_LISTENERS
    if listener.user_list:
        yield f"userlist {listener.id}"
        for user in listener.user_list:
            yield f"user {quote_word(user.username)} password {quote_word(user.encrypted_password)}"
    yield f"frontend {listener.id}"
    yield f"mode {'http' if reads_http else 'tcp'}"
    yield from _bind_lines(spec, listener, files)
    yield f"maxconn {min(listener.connection_limit, limits.connections)}"
    yield f"timeout client {listener.timeout_client_data or LONGEST_TIMEOUT}ms"
    yield from _access_lines(listener)
    if is_metrics:
        yield "http-request use-service prometheus-exporter if { path /metrics }"
    elif reads_http:
        yield "option idle-close-on-response"
        yield from _http_lines(spec, listener)
    if listener.default_pool_id and not is_metrics:
        yield f"default_backend {backend_name(listener.default_pool_id, listener.id)}"


def _bind_lines(spec: LoadBalancerSpec, listener: ListenerSpec, files: TlsFiles) -> Iterator[str]:
    certificates = files.lists.get(listener.id)
    tls = f" ssl crt-list {certificates} alpn h2,http/1.1" if certificates else ""
    for address in spec.vip.addresses:
        yield f"bind {socket_address(address, listener.protocol_port)}{tls}"


def _access_lines(listener: ListenerSpec) -> Iterator[str]:
    """Yield the lines that say who may connect, and with which password."""
    ranges = [str(ip_network(text)) for text in listener.allowed_cidrs or ()]
    for start in range(0, len(ranges), RANGES_PER_LINE):
        yield f"acl allowed src {' '.join(ranges[start : start + RANGES_PER_LINE])}"
    if ranges:
        yield "tcp-request connection reject unless allowed"
    if listener.user_list:
        yield f"http-request auth unless {{ http_auth({listener.id}) }}"


def _http_lines(spec: LoadBalancerSpec, listener: ListenerSpec) -> Iterator[str]:
    if listener.insert_x_forwarded:
        scheme = "https" if listener.protocol == ListenerProtocol.TERMINATED_HTTPS else "http"
        yield "http-request set-header X-Forwarded-Port %[dst_port]"
        yield f"http-request set-header X-Forwarded-Proto {scheme}"
    rules: dict[str, list[L7RuleSpec]] = {}
    for rule in spec.l7_rules:
        if rule.admin_state_up:
            rules.setdefault(rule.l7_policy_id, []).append(rule)
    yield from policy_lines([policy for policy in spec.l7_policies if policy.listener_id == listener.id], rules)
