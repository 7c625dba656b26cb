"""Task types on load balancers and their parts, and their arguments."""

from msgspec import Struct, field

from pileus.domain.load_balancers.load_balancer_orders import LoadBalancerPatch
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


class CreateLoadBalancerArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer with its parts, and its floating IP if there is one.

    A `new_floating_ip_id` is deleted if the task fails; `kept_floating_ip_ids` were assigned to the port before.
    """

    new_floating_ip_id: str | None = None
    kept_floating_ip_ids: list[str] = field(default_factory=list)
    created: dict[str, list[str]] = field(default_factory=dict)


class UpdateLoadBalancerArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer and the changes to it."""

    patch: LoadBalancerPatch


class UpdateLoadBalancerTagsArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer and a merge patch of its tags."""

    tags: dict[str, str | None] | None


class ReplaceMachinesArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer that gets other machines, of another flavor if given, and its status before the task."""

    flavor_name: str | None = None
    previous_status: str


class DeleteLoadBalancerArgs(LoadBalancerTaskArgs, frozen=True, kw_only=True):
    """A load balancer, its status before the task, and the DDoS profiles of its addresses."""

    previous_status: str
    profiles: list[int] = field(default_factory=list)


CREATE_LOAD_BALANCER = TaskType("create_loadbalancer", CreateLoadBalancerArgs)
UPDATE_LOAD_BALANCER = TaskType("update_loadbalancer", UpdateLoadBalancerArgs)
DELETE_LOAD_BALANCER = TaskType("delete_loadbalancer", DeleteLoadBalancerArgs)
FAIL_OVER_LOAD_BALANCER = TaskType("failover_loadbalancer", ReplaceMachinesArgs)
RESIZE_LOAD_BALANCER = TaskType("resize_loadbalancer", ReplaceMachinesArgs)
UPDATE_LOAD_BALANCER_TAGS = TaskType("update_lbmetadata", UpdateLoadBalancerTagsArgs)
REPLACE_LOAD_BALANCER_TAGS = TaskType("replace_lbmetadata", UpdateLoadBalancerTagsArgs)
DELETE_LOAD_BALANCER_TAG = TaskType("delete_lbmetadata", UpdateLoadBalancerTagsArgs)
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
