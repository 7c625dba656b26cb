"""A load balancer with all of its parts, as tasks and the status tree read it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

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
