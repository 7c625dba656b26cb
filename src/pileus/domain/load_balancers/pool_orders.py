"""Orders of pools with their members and health monitor: validation, and the records of what is ordered."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from pileus.domain.errors import field_errors, invalid, nest_field_errors
from pileus.domain.ip_addresses import ip_network
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.monitor_settings import MonitorSettings, complete_monitor_settings
from pileus.domain.load_balancers.pools import Pool, PoolProtocol, SessionPersistence, SessionPersistenceType
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.network.subnets import parse_ip_address

IPV6_BITS = 128
COOKIES = (SessionPersistenceType.APP_COOKIE, SessionPersistenceType.HTTP_COOKIE)


class NewMember(Struct, frozen=True, kw_only=True):
    """A member to create."""

    address: str
    protocol_port: int
    weight: int = 1
    backup: bool = False
    admin_state_up: bool = True
    monitor_address: str | None = None
    monitor_port: int | None = None
    subnet_id: str | None = None
    instance_id: str | None = None


class PoolSettings(Struct, frozen=True, kw_only=True):
    """What a pool does with traffic, without its members and its health monitor."""

    name: str
    protocol: str
    lb_algorithm: str
    session_persistence: SessionPersistence | None = None
    secret_id: str | None = None
    ca_secret_id: str | None = None
    crl_secret_id: str | None = None
    timeout_client_data: int | None = None
    timeout_member_connect: int | None = None
    timeout_member_data: int | None = None


class NewPool(PoolSettings, frozen=True, kw_only=True):
    """A pool to create, with its members and its health monitor."""

    members: Sequence[NewMember] = field(default_factory=list)
    health_monitor: MonitorSettings | None = None


class PartOrigin(Struct, frozen=True, kw_only=True):
    """Where new parts come from: their load balancer, the time, and the source of ids."""

    load_balancer: LoadBalancer
    now: int
    new_id: Callable[[], str]

    def part_fields(self) -> dict[str, Any]:
        """Return the fields that all parts have, with a new id."""
        return {
            "id": self.new_id(),
            **asdict(self.load_balancer.place),
            "load_balancer_id": self.load_balancer.id,
            "created_at": self.now,
            "updated_at": self.now,
        }


def plan_pool(origin: PartOrigin, order: NewPool) -> Parts:
    """Return the records of a new pool with its members and its health monitor. Raises Invalid."""
    check_pool_settings(order)
    settings = {name: getattr(order, name) for name in PoolSettings.__struct_fields__}
    pool = Pool(**origin.part_fields(), **settings)
    monitor = order.health_monitor
    with nest_field_errors("healthmonitor"):
        monitors = [] if monitor is None else [plan_health_monitor(origin, pool, monitor)]
    with nest_field_errors("members"):
        members = plan_members(origin, pool.id, order.members)
    return Parts(pools=[pool], members=members, health_monitors=monitors)


def plan_health_monitor(origin: PartOrigin, pool: Pool, settings: MonitorSettings) -> HealthMonitor:
    """Return the record of a pool's new health monitor. Raises Invalid."""
    complete = complete_monitor_settings(settings, pool.protocol)
    return HealthMonitor(**origin.part_fields(), pool_id=pool.id, **asdict(complete))


def plan_members(origin: PartOrigin, pool_id: str, orders: Iterable[NewMember]) -> list[Member]:
    """Return the records of a pool's new members. Raises Invalid."""
    return [new_member_record(origin, pool_id, order) for order in normalize_members(orders)]


def new_member_record(origin: PartOrigin, pool_id: str, order: NewMember) -> Member:
    """Return the record of a member whose addresses are canonical."""
    return Member(**origin.part_fields(), pool_id=pool_id, **asdict(order))


def normalize_members(orders: Iterable[NewMember]) -> list[NewMember]:
    """Return members with canonical addresses. Raises Invalid, also if two have the same address and port."""
    members: list[NewMember] = []
    targets: set[tuple[str, int]] = set()
    for position, order in enumerate(orders):
        with nest_field_errors(position):
            member = normalize_member(order)
            if (member.address, member.protocol_port) in targets:
                raise invalid(address="Another member has the same address and protocol_port")
        targets.add((member.address, member.protocol_port))
        members.append(member)
    return members


def normalize_member(order: NewMember) -> NewMember:
    """Return a member with canonical addresses. Raises Invalid."""
    monitor_address = order.monitor_address
    if monitor_address is not None:
        monitor_address = str(parse_ip_address("monitor_address", monitor_address))
    address = str(parse_ip_address("address", order.address))
    return replace(order, address=address, monitor_address=monitor_address)


def check_pool_settings(settings: PoolSettings | Pool) -> None:
    """Raise Invalid if the settings of a pool contradict each other."""
    if settings.crl_secret_id is not None and settings.ca_secret_id is None:
        raise field_errors({"crl_secret_id": ["A list of revoked certificates needs a ca_secret_id"]})
    if settings.session_persistence is not None:
        with nest_field_errors("session_persistence"):
            _check_session_persistence(settings.session_persistence, settings.protocol)


def _check_session_persistence(persistence: SessionPersistence, protocol: str) -> None:
    is_cookie = persistence.type in COOKIES
    if is_cookie and protocol == PoolProtocol.UDP:
        raise invalid(type="UDP has no cookies: use SOURCE_IP")
    if persistence.type == SessionPersistenceType.APP_COOKIE and persistence.cookie_name is None:
        raise invalid(cookie_name="APP_COOKIE needs the name of the application's cookie")
    if persistence.cookie_name is not None:
        _check_cookie_name(persistence.cookie_name, is_cookie=is_cookie)
    if protocol != PoolProtocol.UDP:
        _check_no_udp_fields(persistence)
    if persistence.persistence_granularity is not None:
        _check_granularity(persistence.persistence_granularity)


def _check_cookie_name(cookie_name: str, *, is_cookie: bool) -> None:
    if not is_cookie:
        raise invalid(cookie_name="SOURCE_IP has no cookie")
    if " " in cookie_name:
        raise invalid(cookie_name="The name of a cookie has no blanks")


def _check_no_udp_fields(persistence: SessionPersistence) -> None:
    for name in ("persistence_timeout", "persistence_granularity"):
        if getattr(persistence, name) is not None:
            raise invalid(**{name: "Only pools of protocol UDP have it"})


def _check_granularity(text: str) -> None:
    """Raise Invalid unless the text is an IPv4 netmask or the length of an IPv6 prefix."""
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= IPV6_BITS:
        return
    try:
        ip_network(f"0.0.0.0/{text if '.' in text else ''}")
    except ValueError:
        raise invalid(persistence_granularity="It is an IPv4 netmask or the length of an IPv6 prefix") from None
