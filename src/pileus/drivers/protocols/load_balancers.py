"""Load balancers: what a driver balances, and what it observes."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from msgspec import Struct, convert, field

from pileus.domain.load_balancers.listeners import ListenerUser
from pileus.domain.load_balancers.parts import BalancingResource
from pileus.domain.load_balancers.pools import SessionPersistence
from pileus.domain.load_balancers.trees import LoadBalancerTree
from pileus.drivers.protocols.abilities import AbilityMeta
from pileus.drivers.protocols.metrics import MachineSample
from pileus.drivers.protocols.network import NicSpec

S = TypeVar("S", bound=Struct)


class ListenerSpec(Struct, frozen=True, kw_only=True):
    """A listener; time-outs are in milliseconds."""

    id: str
    protocol: str
    protocol_port: int
    admin_state_up: bool
    default_pool_id: str | None = None
    connection_limit: int
    timeout_client_data: int
    timeout_member_connect: int
    timeout_member_data: int
    insert_x_forwarded: bool = False
    secret_id: str | None = None
    sni_secret_ids: list[str] = field(default_factory=list)
    allowed_cidrs: list[str] | None = None
    user_list: list[ListenerUser] = field(default_factory=list)


class PoolSpec(Struct, frozen=True, kw_only=True):
    """A pool; time-outs are in milliseconds, those of None or 0 are the listener's."""

    id: str
    protocol: str
    lb_algorithm: str
    admin_state_up: bool
    session_persistence: SessionPersistence | None = None
    secret_id: str | None = None
    ca_secret_id: str | None = None
    crl_secret_id: str | None = None
    timeout_client_data: int | None = None
    timeout_member_connect: int | None = None
    timeout_member_data: int | None = None


class MemberSpec(Struct, frozen=True, kw_only=True):
    """A member of a pool."""

    id: str
    pool_id: str
    address: str
    protocol_port: int
    admin_state_up: bool
    weight: int
    backup: bool
    monitor_address: str | None = None
    monitor_port: int | None = None
    subnet_id: str | None = None


class HealthMonitorSpec(Struct, frozen=True, kw_only=True):
    """The health monitor of a pool; `delay` and `timeout` are in seconds."""

    id: str
    pool_id: str
    type: str
    admin_state_up: bool
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    http_version: str | None = None
    domain_name: str | None = None


class L7PolicySpec(Struct, frozen=True, kw_only=True):
    """An L7 policy."""

    id: str
    listener_id: str
    action: str
    position: int
    admin_state_up: bool
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: int | None = None


class L7RuleSpec(Struct, frozen=True, kw_only=True):
    """A rule of an L7 policy."""

    id: str
    l7_policy_id: str
    type: str
    compare_type: str
    admin_state_up: bool
    key: str | None = None
    value: str
    invert: bool = False


class TlsTexts(Struct, frozen=True, kw_only=True):
    """The secrets that listeners and pools refer to, as PEM texts by their ids. They must not be logged.

    A certificate has its private key and the certificates of its issuers in one text.
    """

    certificates: dict[str, str] = field(default_factory=dict)
    authorities: dict[str, str] = field(default_factory=dict)
    revocation_lists: dict[str, str] = field(default_factory=dict)


class LoadBalancerSpec(Struct, frozen=True, kw_only=True):
    """A load balancer: its port, the ports of its machines, and what it balances. It has all but what tasks delete.

    Another flavor or `machine_generation` than before replaces the machines. `client_id` is the client that it belongs
    to.
    """

    id: str
    client_id: int | None = None
    region_id: int
    flavor_name: str
    machine_generation: int
    admin_state_up: bool
    vip: NicSpec
    machines: list[NicSpec] = field(default_factory=list)
    listeners: list[ListenerSpec] = field(default_factory=list)
    pools: list[PoolSpec] = field(default_factory=list)
    members: list[MemberSpec] = field(default_factory=list)
    health_monitors: list[HealthMonitorSpec] = field(default_factory=list)
    l7_policies: list[L7PolicySpec] = field(default_factory=list)
    l7_rules: list[L7RuleSpec] = field(default_factory=list)
    tls: TlsTexts = field(default_factory=TlsTexts)

    @classmethod
    def of(
        cls, tree: LoadBalancerTree, vip: NicSpec, machines: list[NicSpec], tls: TlsTexts | None = None
    ) -> "LoadBalancerSpec":
        """Convert a load balancer and its parts."""
        balancer, parts = tree.load_balancer, tree.parts
        return cls(
            id=balancer.id,
            client_id=balancer.client_id,
            region_id=balancer.region_id,
            flavor_name=balancer.flavor_name,
            machine_generation=balancer.machine_generation,
            admin_state_up=balancer.admin_state_up,
            vip=vip,
            machines=machines,
            listeners=_specs(parts.listeners, ListenerSpec),
            pools=_specs(parts.pools, PoolSpec),
            members=_specs(parts.members, MemberSpec),
            health_monitors=_specs(parts.health_monitors, HealthMonitorSpec),
            l7_policies=_specs(parts.l7_policies, L7PolicySpec),
            l7_rules=_specs(parts.l7_rules, L7RuleSpec),
            tls=tls or TlsTexts(),
        )


class BalancedTraffic(Struct, frozen=True, kw_only=True):
    """Counters of the traffic of a listener, since its creation."""

    active_connections: int = 0
    total_connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_errors: int = 0

    def __add__(self, other: "BalancedTraffic") -> "BalancedTraffic":
        return BalancedTraffic(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


@runtime_checkable
class SupportsLoadBalancers(Protocol, metaclass=AbilityMeta):
    """Balances traffic. Every method names an end state."""

    async def ensure_load_balancer(self, load_balancer: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts."""

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer."""

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Return the counters of each listener that has any; none if the load balancer does not exist (yet)."""

    async def load_balancer_samples(
        self, load_balancer_id: str, since: int, until: int, max_count: int
    ) -> list[MachineSample]:
        """Return at most `max_count` samples between two times, oldest first. Raises DriverError."""


@runtime_checkable
class ObservesMembers(Protocol, metaclass=AbilityMeta):
    """Observes the members of load balancers by itself; those of the simulated cloud follow from the records."""

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the operating status of each member of these load balancers that it knows, by id."""


class LoadBalancerChoices(Struct, frozen=True, kw_only=True):
    """The protocols and the types of health monitors that a driver has."""

    listener_protocols: frozenset[str]
    pool_protocols: frozenset[str]
    monitor_types: frozenset[str]


@runtime_checkable
class DetectsLoadBalancers(Protocol, metaclass=AbilityMeta):
    """Works with something that need not have load balancers: without them, requests for new ones are refused."""

    async def find_missing_load_balancers(self) -> str | None:
        """Return what is missing, and what can be done; None if there are load balancers. Raises DriverError."""


@runtime_checkable
class LimitsLoadBalancers(Protocol, metaclass=AbilityMeta):
    """Has a part of the protocols and monitors of the API: requests for others are refused."""

    def load_balancer_choices(self) -> LoadBalancerChoices:
        """Return what the driver has."""

    async def find_load_balancer_obstacle(self) -> str | None:
        """Return why no load balancer can be created, and what the operator can do; None if they can."""


def _specs(parts: Sequence[BalancingResource], spec_type: type[S]) -> list[S]:
    return [convert(part, spec_type, from_attributes=True) for part in parts if not part.is_pending_delete]
