"""The statuses of load balancers and their parts as the API shows them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.load_balancers.parts import BalancingResource
from pileus.domain.load_balancers.trees import LoadBalancerTree, Parts
from pileus.domain.tags import Tag


class PartStatusView(Struct, kw_only=True):
    """The statuses of a part of a load balancer."""

    id: str
    operating_status: str
    provisioning_status: str


class MemberStatusView(PartStatusView, kw_only=True):
    """The statuses of a member."""

    address: str
    protocol_port: int


class HealthMonitorStatusView(PartStatusView, kw_only=True):
    """The statuses of a health monitor."""

    type: str


class PoolStatusView(PartStatusView, kw_only=True):
    """The statuses of a pool, its members and its health monitor."""

    name: str
    members: list[MemberStatusView]
    health_monitor: HealthMonitorStatusView | None


class ListenerStatusView(PartStatusView, kw_only=True):
    """The statuses of a listener, and of its pools."""

    name: str
    pools: list[PoolStatusView]


class LoadBalancerStatusView(PartStatusView, kw_only=True):
    """The statuses of a load balancer, and of its parts."""

    name: str
    listeners: list[ListenerStatusView]
    tags: list[TagView]

    @classmethod
    def of(cls, tree: LoadBalancerTree, tags: Iterable[Tag], statuses: dict[str, str]) -> "LoadBalancerStatusView":
        """Return the view of the statuses; `statuses` are the operating statuses by id."""
        balancer, parts = tree.load_balancer, tree.parts
        pools = {pool.id: _pool_view(parts, pool.id, statuses) for pool in parts.pools}
        return cls(
            **_fields(balancer, statuses),
            name=balancer.name,
            listeners=[
                ListenerStatusView(
                    **_fields(listener, statuses),
                    name=listener.name,
                    pools=[pools[pool_id] for pool_id in parts.pool_ids_of_listener(listener) if pool_id in pools],
                )
                for listener in parts.listeners
            ],
            tags=tag_views(tags),
        )


def _pool_view(parts: Parts, pool_id: str, statuses: dict[str, str]) -> PoolStatusView:
    (pool,) = (pool for pool in parts.pools if pool.id == pool_id)
    monitors = [monitor for monitor in parts.health_monitors if monitor.pool_id == pool_id]
    return PoolStatusView(
        **_fields(pool, statuses),
        name=pool.name,
        members=[
            MemberStatusView(**_fields(member, statuses), address=member.address, protocol_port=member.protocol_port)
            for member in parts.members
            if member.pool_id == pool_id
        ],
        health_monitor=next(
            (HealthMonitorStatusView(**_fields(monitor, statuses), type=monitor.type) for monitor in monitors), None
        ),
    )


def _fields(part: BalancingResource, statuses: dict[str, str]) -> dict[str, str]:
    return {
        "id": part.id,
        "operating_status": statuses.get(part.id, part.operating_status),
        "provisioning_status": part.provisioning_status,
    }
