"""Request bodies of pools, their members and their health monitors."""

from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType, convert, field
from msgspec.structs import asdict

from pileus.api.wire.constraints import END, Name, Uuid
from pileus.api.wire.legacy import LegacyInput
from pileus.api.wire.patches import sent_fields
from pileus.domain import limits
from pileus.domain.load_balancers.member_changes import MemberPatch
from pileus.domain.load_balancers.monitor_settings import MonitorSettings
from pileus.domain.load_balancers.pool_changes import MonitorReplacement, PoolPatch
from pileus.domain.load_balancers.pool_orders import NewMember, NewPool
from pileus.domain.load_balancers.pools import SessionPersistence

PoolProtocolName = Literal["HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP", "UDP"]
AlgorithmName = Literal["LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP"]
PersistenceName = Literal["APP_COOKIE", "HTTP_COOKIE", "SOURCE_IP"]
MonitorTypeName = Literal["HTTP", "HTTPS", "K8S", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT"]
HttpMethod = Literal["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
HttpVersion = Literal["1.0", "1.1"]
PortOfProtocol = Annotated[int, Meta(ge=1, le=65535)]
Weight = Annotated[int, Meta(ge=1, le=256)]
Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]
Delay = Annotated[int, Meta(ge=1, le=2_147_483_647)]
CheckTimeout = Annotated[int, Meta(ge=0, le=2_147_483)]
Retries = Annotated[int, Meta(ge=1, le=10)]
UrlPath = Annotated[str, Meta(pattern=r"^/([^/?#%][^?#%]*)?" + END, max_length=limits.URL.value)]
DomainName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,253}" + END)]
ExpectedCodes = Annotated[str, Meta(max_length=limits.EXPECTED_CODES.value)]
IpAddress = Annotated[str, Meta(max_length=45)]
Granularity = Annotated[str, Meta(max_length=45)]
PersistenceSeconds = Annotated[int, Meta(ge=1, le=2_147_483_647)]


class CreateMember(Struct, kw_only=True):
    """A member to create. Without `weight` it is 1."""

    address: IpAddress
    protocol_port: PortOfProtocol
    weight: Weight = 1
    backup: bool = False
    admin_state_up: bool = True
    monitor_address: IpAddress | None = None
    monitor_port: PortOfProtocol | None = None
    subnet_id: Uuid | None = None
    instance_id: Uuid | None = None

    def to_new_member(self) -> NewMember:
        """Return the member to create."""
        return NewMember(**{name: getattr(self, name) for name in NewMember.__struct_fields__})


class ReplaceMember(CreateMember, kw_only=True):
    """A member of the new set. Older clients send its `id`, which is ignored: members are found by their address."""

    id: LegacyInput[str] = None


Members = Annotated[list[CreateMember], Meta(max_length=limits.POOL_MEMBERS.value)]
ReplacedMembers = Annotated[list[ReplaceMember], Meta(max_length=limits.POOL_MEMBERS.value)]


class UpdateMember(Struct, kw_only=True):
    """Changes to a member. Absent fields stay."""

    weight: Weight | UnsetType = UNSET
    backup: bool | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    monitor_address: IpAddress | UnsetType | None = UNSET
    monitor_port: PortOfProtocol | UnsetType | None = UNSET

    def to_member_patch(self) -> MemberPatch:
        """Return the fields that were sent."""
        return cast("MemberPatch", sent_fields(self))


class _HttpCheck(Struct, kw_only=True):
    admin_state_up: bool = True
    max_retries_down: Retries = 3
    http_method: HttpMethod | None = None
    url_path: UrlPath | None = None
    expected_codes: ExpectedCodes | None = None
    http_version: HttpVersion | None = None
    domain_name: DomainName | None = None


class CreateHealthMonitor(_HttpCheck, kw_only=True):
    """A health monitor to create. Monitors of type HTTP and HTTPS check GET / for 200 unless told otherwise."""

    type: MonitorTypeName
    delay: Delay
    timeout: CheckTimeout
    max_retries: Retries

    def to_monitor_settings(self) -> MonitorSettings:
        """Return the settings of the monitor."""
        return convert(self, MonitorSettings, from_attributes=True)


class ReplaceHealthMonitor(_HttpCheck, kw_only=True):
    """The settings that replace those of a pool's monitor. Without `type` it stays; a new monitor needs it."""

    type: MonitorTypeName | None = None
    delay: Delay
    timeout: CheckTimeout
    max_retries: Retries
    id: LegacyInput[str] = None

    def to_monitor_replacement(self) -> MonitorReplacement:
        """Return the new settings."""
        return convert(self, MonitorReplacement, from_attributes=True)


class UpdateHealthMonitor(Struct, kw_only=True):
    """Changes to a health monitor. Absent fields stay; null stands for the default of the type."""

    delay: Delay | UnsetType = UNSET
    timeout: CheckTimeout | UnsetType = UNSET
    max_retries: Retries | UnsetType = UNSET
    max_retries_down: Retries | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    http_method: HttpMethod | UnsetType | None = UNSET
    url_path: UrlPath | UnsetType | None = UNSET
    expected_codes: ExpectedCodes | UnsetType | None = UNSET
    http_version: HttpVersion | UnsetType | None = UNSET
    domain_name: DomainName | UnsetType | None = UNSET

    def to_monitor_patch(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return sent_fields(self)


class NewSessionPersistence(Struct, kw_only=True):
    """What binds a client to a member: a cookie, or the address of the client."""

    type: PersistenceName
    cookie_name: Name | None = None
    persistence_granularity: Granularity | None = None
    persistence_timeout: PersistenceSeconds | None = None

    def to_session_persistence(self) -> SessionPersistence:
        """Return the rule."""
        return SessionPersistence(**asdict(self))


class CreateListenerPool(Struct, kw_only=True):
    """A pool to create with its listener."""

    name: Name
    protocol: PoolProtocolName
    lb_algorithm: AlgorithmName
    members: Members = field(default_factory=list)
    healthmonitor: CreateHealthMonitor | None = None
    session_persistence: NewSessionPersistence | None = None
    secret_id: Uuid | None = None
    ca_secret_id: Uuid | None = None
    crl_secret_id: Uuid | None = None
    timeout_client_data: LegacyInput[Milliseconds] = None
    timeout_member_connect: Milliseconds | None = None
    timeout_member_data: Milliseconds | None = None

    def to_new_pool(self) -> NewPool:
        """Return the pool to create."""
        persistence, monitor = self.session_persistence, self.healthmonitor
        return NewPool(
            name=self.name,
            protocol=self.protocol,
            lb_algorithm=self.lb_algorithm,
            members=[member.to_new_member() for member in self.members],
            health_monitor=None if monitor is None else monitor.to_monitor_settings(),
            session_persistence=None if persistence is None else persistence.to_session_persistence(),
            secret_id=self.secret_id,
            ca_secret_id=self.ca_secret_id,
            crl_secret_id=self.crl_secret_id,
            timeout_client_data=self.timeout_client_data,
            timeout_member_connect=self.timeout_member_connect,
            timeout_member_data=self.timeout_member_data,
        )


class CreatePool(CreateListenerPool, kw_only=True):
    """A pool to create: as the default pool of a listener, or for other uses in a load balancer."""

    listener_id: Uuid | None = None
    load_balancer_id: Uuid | None = None
    loadbalancer_id: LegacyInput[Uuid] = None


class UpdatePool(Struct, kw_only=True):
    """Changes to a pool. Absent fields stay.

    `members`, `healthmonitor` and `session_persistence` are replaced as a whole; null removes the last two.
    """

    name: Name | UnsetType = UNSET
    protocol: PoolProtocolName | UnsetType = UNSET
    lb_algorithm: AlgorithmName | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    members: Annotated[ReplacedMembers | UnsetType | None, Meta(extra_json_schema={"extra": {"deprecated": True}})] = (
        UNSET
    )
    healthmonitor: ReplaceHealthMonitor | UnsetType | None = UNSET
    session_persistence: NewSessionPersistence | UnsetType | None = UNSET
    secret_id: Uuid | UnsetType | None = UNSET
    ca_secret_id: Uuid | UnsetType | None = UNSET
    crl_secret_id: Uuid | UnsetType | None = UNSET
    timeout_client_data: Milliseconds | UnsetType | None = UNSET
    timeout_member_connect: Milliseconds | UnsetType | None = UNSET
    timeout_member_data: Milliseconds | UnsetType | None = UNSET

    def to_pool_patch(self) -> PoolPatch:
        """Return the fields of the pool itself that were sent."""
        sent = sent_fields(self)
        patch = {name: value for name, value in sent.items() if name not in ("members", "healthmonitor")}
        if isinstance(self.session_persistence, NewSessionPersistence):
            patch["session_persistence"] = self.session_persistence.to_session_persistence()
        return cast("PoolPatch", patch)

    def to_new_members(self) -> list[NewMember] | None:
        """Return the members that replace all others; None means no change."""
        if self.members is UNSET or self.members is None:
            return None
        return [member.to_new_member() for member in self.members]

    def to_monitor_replacement(self) -> MonitorReplacement | UnsetType | None:
        """Return the settings that replace those of the monitor; None removes it."""
        monitor = self.healthmonitor
        return monitor.to_monitor_replacement() if isinstance(monitor, ReplaceHealthMonitor) else monitor
