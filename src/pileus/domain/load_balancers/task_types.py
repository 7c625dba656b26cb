"""Task types on load balancers and their parts, and their arguments."""

from msgspec import Struct, field

from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.tasks import TaskType


class LoadBalancerTaskArgs(Struct, frozen=True, kw_only=True):
    """A load balancer."""

    load_balancer_id: str


class ChangePartsArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer whose parts change.

    The changes are saved when the task starts: new parts are PENDING_CREATE, changed ones PENDING_UPDATE, and those
    that go PENDING_DELETE. `previous` are the changed parts as they were; they are restored if the task fails.
    `created` are the ids of the resources that the task names as created, by kind.
    """

    previous: Parts = Parts()
    created: dict[str, list[str]] | None = None


class UpdateLoadBalancerArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer, and how it was before the task."""

    previous: LoadBalancer


class DeleteLoadBalancerArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer, its DDoS profiles, and the floating IPs that it leaves unassigned."""

    profiles: list[int] = field(default_factory=list)


CREATE_LISTENER = TaskType("create_lblistener", ChangePartsArgs)
UPDATE_LISTENER = TaskType("patch_lblistener", ChangePartsArgs)
DELETE_LISTENER = TaskType("delete_lblistener", ChangePartsArgs)
CREATE_POOL = TaskType("create_lbpool", ChangePartsArgs)
UPDATE_POOL = TaskType("patch_lbpool", ChangePartsArgs)
DELETE_POOL = TaskType("delete_lbpool", ChangePartsArgs)
CREATE_MEMBER = TaskType("create_lbmember", ChangePartsArgs)
UPDATE_MEMBER = TaskType("update_lbmember", ChangePartsArgs)
DELETE_MEMBER = TaskType("delete_lbmember", ChangePartsArgs)
CREATE_HEALTH_MONITOR = TaskType("create_lbpool_health_monitor", ChangePartsArgs)
UPDATE_HEALTH_MONITOR = TaskType("update_lbpool_health_monitor", ChangePartsArgs)
DELETE_HEALTH_MONITOR = TaskType("delete_lbpool_health_monitor", ChangePartsArgs)
CREATE_L7_POLICY = TaskType("create_l7policy", ChangePartsArgs)
UPDATE_L7_POLICY = TaskType("update_l7policy", ChangePartsArgs)
DELETE_L7_POLICY = TaskType("delete_l7policy", ChangePartsArgs)
CREATE_L7_RULE = TaskType("create_l7rule", ChangePartsArgs)
REPLACE_L7_RULE = TaskType("put_l7rule", ChangePartsArgs)
DELETE_L7_RULE = TaskType("delete_l7rule", ChangePartsArgs)
