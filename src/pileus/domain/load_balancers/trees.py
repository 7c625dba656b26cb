"""A load balancer with all of its parts, as tasks and the status tree read it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.load_balancers.listeners import Listener
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.parts import LoadBalancerPart, ProvisioningStatus
from pileus.domain.load_balancers.pools import Pool

P = TypeVar("P", bound=LoadBalancerPart)


class Parts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parts of a load balancer, by kind: all of them, or those that a task changes."""

    listeners: Sequence[Listener] = ()
    pools: Sequence[Pool] = ()
    members: Sequence[Member] = ()
    health_monitors: Sequence[HealthMonitor] = ()
    l7_policies: Sequence[L7Policy] = ()
    l7_rules: Sequence[L7Rule] = ()

    @property
    def created_ids(self) -> dict[str, list[str]]:
        """The ids of parts by the kinds of created resources that the public API has."""
        kinds = {
            "listeners": self.listeners,
            "pools": self.pools,
            "members": self.members,
            "healthmonitors": self.health_monitors,
        }
        return {kind: [part.id for part in parts] for kind, parts in kinds.items()}

    def pool_ids_of_listener(self, listener: Listener) -> list[str]:
        """Return the ids of the pools that a listener uses: its default pool first, then those of its L7 policies."""
        policies = sorted(self.l7_policies, key=lambda policy: policy.position)
        redirected = [policy.redirect_pool_id for policy in policies if policy.listener_id == listener.id]
        return list(dict.fromkeys(pool_id for pool_id in (listener.default_pool_id, *redirected) if pool_id))

    def of_listener(self, listener_id: str, pool_id: str | None) -> "Parts":
        """Return a listener with its L7 policies and their rules, and a pool with its contents, of these parts.

        Raises Conflict if an L7 policy of another listener redirects to the pool.
        """
        policies = [policy for policy in self.l7_policies if policy.listener_id == listener_id]
        for policy in self.l7_policies:
            if pool_id is not None and policy.redirect_pool_id == pool_id and policy not in policies:
                raise Conflict(f"L7 policy {policy.id} redirects to pool {pool_id}")
        policy_ids = {policy.id for policy in policies}
        return Parts(
            listeners=[listener for listener in self.listeners if listener.id == listener_id],
            pools=[pool for pool in self.pools if pool.id == pool_id],
            members=[member for member in self.members if member.pool_id == pool_id],
            health_monitors=[monitor for monitor in self.health_monitors if monitor.pool_id == pool_id],
            l7_policies=policies,
            l7_rules=[rule for rule in self.l7_rules if rule.l7_policy_id in policy_ids],
        )

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(**{name: [*getattr(self, name), *getattr(other, name)] for name in self.__struct_fields__})

    def mapped(self, change: Callable[[Any], Any]) -> "Parts":
        """Apply a change to each part."""
        return Parts(**{name: [change(part) for part in getattr(self, name)] for name in self.__struct_fields__})

    def reverted(self, previous: "Parts", task_id: str) -> "Parts":
        """Return these parts without the changes of a task, which changed the `previous` parts."""
        return Parts(
            **{
                name: _reverted(getattr(self, name), getattr(previous, name), task_id)
                for name in self.__struct_fields__
            }
        )


class LoadBalancerTree(Struct, frozen=True, kw_only=True):
    """A load balancer with all of its parts."""

    load_balancer: LoadBalancer
    parts: Parts

    def reverted(self, previous: Parts, task_id: str) -> "LoadBalancerTree":
        """Return the tree without the changes of a task, which changed the `previous` parts."""
        return LoadBalancerTree(load_balancer=self.load_balancer, parts=self.parts.reverted(previous, task_id))


def _reverted(parts: Sequence[P], previous: Sequence[P], task_id: str) -> list[P]:
    previous_by_id = {part.id: part for part in previous}
    status = ProvisioningStatus.ACTIVE.value
    return [
        replace(previous_by_id.get(part.id, part), provisioning_status=status)
        for part in parts
        if not (part.task_id == task_id and part.provisioning_status == ProvisioningStatus.PENDING_CREATE)
    ]
