"""Pools, their members and their health monitors as the API shows them."""

from collections.abc import Iterable, Mapping

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.common import make_view
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.pools import Pool

Statuses = Mapping[str, str]
"""Operating statuses by the ids of parts."""


class PartId(Struct, kw_only=True):
    """A load balancer or a part of one, by id."""

    id: str


class MemberView(Struct, kw_only=True):
    """A member of a pool. Without `monitor_address` and `monitor_port` the monitor checks the member's own."""

    id: str
    address: str
    protocol_port: int
    weight: int
    backup: bool
    subnet_id: str | None
    monitor_address: str | None
    monitor_port: int | None
    admin_state_up: bool
    operating_status: str
    provisioning_status: str

    @classmethod
    def of(cls, member: Member, operating_status: str) -> "MemberView":
        """Return the view of a member."""
        return make_view(cls, member, operating_status=operating_status)


class ListedMemberView(Struct, kw_only=True):
    """A member of a pool in a list: its id, and with details all other fields as well."""

    id: str
    address: str | UnsetType = UNSET
    protocol_port: int | UnsetType = UNSET
    weight: int | UnsetType = UNSET
    backup: bool | UnsetType = UNSET
    subnet_id: str | UnsetType | None = UNSET
    monitor_address: str | UnsetType | None = UNSET
    monitor_port: int | UnsetType | None = UNSET
    admin_state_up: bool | UnsetType = UNSET
    operating_status: str | UnsetType = UNSET
    provisioning_status: str | UnsetType = UNSET


class HealthMonitorView(Struct, kw_only=True):
    """The health monitor of a pool. Fields of HTTP are null for monitors of other types."""

    id: str
    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int
    http_method: str | None
    url_path: str | None
    expected_codes: str | None
    http_version: str | None
    domain_name: str | None
    admin_state_up: bool
    operating_status: str
    provisioning_status: str

    @classmethod
    def of(cls, monitor: HealthMonitor, operating_status: str) -> "HealthMonitorView":
        """Return the view of a health monitor."""
        return make_view(cls, monitor, operating_status=operating_status)


class SessionPersistenceView(Struct, kw_only=True):
    """What binds a client to a member."""

    type: str
    cookie_name: str | None
    persistence_granularity: str | None
    persistence_timeout: int | None


class _PoolFields(Struct, kw_only=True):
    id: str
    name: str
    protocol: str
    lb_algorithm: str
    loadbalancers: list[PartId]
    listeners: list[PartId]
    session_persistence: SessionPersistenceView | None
    secret_id: str | None
    ca_secret_id: str | None
    crl_secret_id: str | None
    timeout_client_data: int | None
    timeout_member_connect: int | None
    timeout_member_data: int | None
    admin_state_up: bool
    operating_status: str
    provisioning_status: str
    creator_task_id: str | None
    task_id: str | None
    healthmonitor: HealthMonitorView | None


class PoolView(_PoolFields, kw_only=True):
    """A pool with its members and its health monitor. Time-outs of null are those of the listener."""

    members: list[MemberView]

    @classmethod
    def of(
        cls,
        pool: Pool,
        listener_ids: Iterable[str],
        members: Iterable[Member],
        monitor: HealthMonitor | None,
        statuses: Statuses,
    ) -> "PoolView":
        """Return the view of a pool."""
        return make_view(
            cls,
            pool,
            **_pool_parts(pool, listener_ids, statuses),
            members=[MemberView.of(member, statuses[member.id]) for member in members],
            healthmonitor=None if monitor is None else HealthMonitorView.of(monitor, statuses[monitor.id]),
        )


class ListedPoolView(_PoolFields, kw_only=True):
    """A pool in a list. Its members are ids only, and its health monitor is null, unless `details` are requested."""

    members: list[ListedMemberView]

    @classmethod
    def of_ids(
        cls, pool: Pool, listener_ids: Iterable[str], member_ids: Iterable[str], statuses: Statuses
    ) -> "ListedPoolView":
        """Return the view of a pool without details."""
        members = [ListedMemberView(id=member_id) for member_id in member_ids]
        return make_view(cls, pool, **_pool_parts(pool, listener_ids, statuses), members=members, healthmonitor=None)

    @classmethod
    def of_details(cls, view: PoolView) -> "ListedPoolView":
        """Return the view of a pool with details."""
        members = [ListedMemberView(**asdict(member)) for member in view.members]
        return cls(**{**asdict(view), "members": members})


def _pool_parts(pool: Pool, listener_ids: Iterable[str], statuses: Statuses) -> dict[str, object]:
    persistence = pool.session_persistence
    return {
        "loadbalancers": [PartId(id=pool.load_balancer_id)],
        "listeners": [PartId(id=listener_id) for listener_id in listener_ids],
        "session_persistence": persistence and make_view(SessionPersistenceView, persistence),
        "operating_status": statuses[pool.id],
    }
