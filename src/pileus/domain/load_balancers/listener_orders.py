"""Orders and patches of listeners: validation, and the records of what is ordered."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.errors import Conflict, invalid
from pileus.domain.ip_addresses import ip_address, ip_network
from pileus.domain.load_balancers.listeners import Listener, ListenerProtocol, ListenerUser
from pileus.domain.load_balancers.pool_orders import NewPool, PartOrigin

DEFAULT_CONNECTION_LIMIT = 100_000
NO_CONNECTION_LIMIT = -1
CLIENT_TIMEOUT, CONNECT_TIMEOUT, MEMBER_TIMEOUT = 50_000, 5_000, 50_000
"""Milliseconds."""
HTTP_LIKE = frozenset({ListenerProtocol.HTTP, ListenerProtocol.TERMINATED_HTTPS})
"""Protocols whose requests a load balancer reads."""
WITH_USERS = HTTP_LIKE | {ListenerProtocol.PROMETHEUS}
WITH_SECRETS = frozenset({ListenerProtocol.TERMINATED_HTTPS, ListenerProtocol.PROMETHEUS})


class NewListener(Struct, frozen=True, kw_only=True):
    """A listener to create, with its default pool if given. Fields of None have their defaults."""

    name: str
    protocol: str
    protocol_port: int
    connection_limit: int = DEFAULT_CONNECTION_LIMIT
    timeout_client_data: int | None = None
    timeout_member_connect: int | None = None
    timeout_member_data: int | None = None
    insert_x_forwarded: bool = False
    secret_id: str | None = None
    sni_secret_ids: list[str] = field(default_factory=list)
    allowed_cidrs: list[str] | None = None
    user_list: list[ListenerUser] = field(default_factory=list)
    pool: NewPool | None = None


class ListenerPatch(TypedDict, total=False):
    """Changes to a listener. An absent key leaves the field unchanged; None stands for the default."""

    name: str
    admin_state_up: bool
    connection_limit: int
    timeout_client_data: int | None
    timeout_member_connect: int | None
    timeout_member_data: int | None
    secret_id: str | None
    sni_secret_ids: list[str] | None
    allowed_cidrs: list[str] | None
    user_list: list[ListenerUser] | None


def new_listener_record(origin: PartOrigin, order: NewListener, default_pool_id: str | None = None) -> Listener:
    """Return the record of a new listener with its defaults, unchecked."""
    listener = Listener(
        **origin.part_fields(),
        name=order.name,
        protocol=order.protocol,
        protocol_port=order.protocol_port,
        default_pool_id=default_pool_id,
        connection_limit=order.connection_limit,
        timeout_client_data=_or_default(order.timeout_client_data, CLIENT_TIMEOUT),
        timeout_member_connect=_or_default(order.timeout_member_connect, CONNECT_TIMEOUT),
        timeout_member_data=_or_default(order.timeout_member_data, MEMBER_TIMEOUT),
        insert_x_forwarded=order.insert_x_forwarded,
        secret_id=order.secret_id,
        sni_secret_ids=order.sni_secret_ids,
        allowed_cidrs=order.allowed_cidrs,
        user_list=order.user_list,
    )
    return _normalized(listener)


def patched_listener(listener: Listener, patch: ListenerPatch, now: int) -> Listener:
    """Apply a patch, unchecked."""
    values = dict(patch)
    for name, default in DEFAULTS_OF_NULL.items():
        if name in values and values[name] is None:
            values[name] = default
    changed = _normalized(replace(listener, **values))
    return listener if changed == listener else replace(changed, updated_at=now)


DEFAULTS_OF_NULL: dict[str, object] = {
    "timeout_client_data": CLIENT_TIMEOUT,
    "timeout_member_connect": CONNECT_TIMEOUT,
    "timeout_member_data": MEMBER_TIMEOUT,
    "sni_secret_ids": [],
    "user_list": [],
}


def check_listener(listener: Listener, addresses: Iterable[str]) -> None:
    """Raise Invalid if the fields of a listener contradict each other, or its load balancer's addresses."""
    _check_secrets(listener)
    if listener.insert_x_forwarded and listener.protocol not in HTTP_LIKE:
        raise invalid(insert_x_forwarded="Only listeners of protocol HTTP and TERMINATED_HTTPS have it")
    if listener.user_list and listener.protocol not in WITH_USERS:
        raise invalid(user_list="Only listeners of protocol HTTP, TERMINATED_HTTPS and PROMETHEUS have it")
    names = [user.username for user in listener.user_list]
    if len(set(names)) < len(names):
        raise invalid(user_list="Each username may be given once only")
    versions = {ip_address(address).version for address in addresses}
    for cidr in listener.allowed_cidrs or ():
        if ip_network(cidr).version not in versions:
            raise invalid(allowed_cidrs=f"The load balancer has no address of the family of {cidr}")


def check_listener_port_is_free(listener: Listener, others: Iterable[Listener]) -> None:
    """Raise Conflict if another listener of the load balancer has the port, in the same transport protocol."""
    for other in others:
        if other.id != listener.id and _socket(other) == _socket(listener):
            raise Conflict(f"Listener {other.id} of the load balancer has port {listener.protocol_port} already")


def check_listener_count(others: Sequence[Listener], listener: Listener) -> None:
    """Raise Invalid if a load balancer cannot have another listener: 50, and one of protocol PROMETHEUS."""
    is_prometheus = listener.protocol == ListenerProtocol.PROMETHEUS
    same = [other for other in others if (other.protocol == ListenerProtocol.PROMETHEUS) == is_prometheus]
    limit = 1 if is_prometheus else limits.LOAD_BALANCER_LISTENERS.value - 1
    if len(same) >= limit:
        kind = "listener of protocol PROMETHEUS" if is_prometheus else "listeners"
        raise invalid(load_balancer_id=f"The load balancer has {limit} {kind} already")


def _check_secrets(listener: Listener) -> None:
    has_secret = listener.secret_id is not None or bool(listener.sni_secret_ids)
    if has_secret and listener.protocol not in WITH_SECRETS:
        raise invalid(secret_id=f"Listeners of protocol {listener.protocol} have no certificates")
    if not has_secret and listener.protocol == ListenerProtocol.TERMINATED_HTTPS:
        raise invalid(secret_id="Listeners of protocol TERMINATED_HTTPS need a certificate")  # noqa: S106  # a message


def _socket(listener: Listener) -> tuple[bool, int]:
    return listener.protocol == ListenerProtocol.UDP, listener.protocol_port


def _normalized(listener: Listener) -> Listener:
    limit = listener.connection_limit
    return replace(
        listener,
        connection_limit=DEFAULT_CONNECTION_LIMIT if limit == NO_CONNECTION_LIMIT else limit,
        allowed_cidrs=None
        if not listener.allowed_cidrs
        else [_canonical_range(cidr) for cidr in listener.allowed_cidrs],
        sni_secret_ids=list(dict.fromkeys(listener.sni_secret_ids)),
    )


def _canonical_range(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise invalid(allowed_cidrs=f"value is not a valid IPv4 or IPv6 network: {text}") from None


def _or_default(value: int | None, default: int) -> int:
    return default if value is None else value
