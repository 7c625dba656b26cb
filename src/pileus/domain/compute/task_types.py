"""Task types on instances, images and placement groups, and their arguments."""

from typing import Any

from msgspec import Struct, field

from pileus.domain.tasks import SlotClass, TaskType


class InstanceTaskArgs(Struct, frozen=True, kw_only=True):
    """An instance."""

    instance_id: str


class CreateInstanceArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance and what is created with it and removed again if the task fails.

    `ports` are reported among the created resources. `profiles` are the DDoS profiles of a bare metal server's public
    address. `configuration` holds the answers to the questions of an application template. `refusal` is the reason why
    the task fails. `kept_floating_ips` were assigned to reserved ports before, and stay if the task fails.
    """

    volumes: list[str] = field(default_factory=list)
    floating_ips: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    configuration: dict[str, Any] | None = None
    profiles: list[int] = field(default_factory=list)
    refusal: str | None = None
    kept_floating_ips: list[str] = field(default_factory=list)


class DeleteInstanceArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance and what is deleted with it: volumes, floating IPs, reserved ports and DDoS profiles."""

    volumes: list[str] = field(default_factory=list)
    floating_ips: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    profiles: list[int] = field(default_factory=list)


class PowerActionArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance, its status before the action, and for a start the DDoS profiles to activate."""

    before: str
    vm_state: str | None = None
    profiles: list[int] = field(default_factory=list)


class ResizeInstanceArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance, and its status and flavor before the task."""

    before: str
    flavor_id: str


class PutIntoPlacementGroupArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance, the group that it enters, and the host that it ran on before."""

    servergroup_id: str
    host: str | None = None


class RemoveFromPlacementGroupArgs(InstanceTaskArgs, frozen=True, kw_only=True):
    """An instance and the group that it leaves."""

    servergroup_id: str


class DeletePlacementGroupArgs(Struct, frozen=True, kw_only=True):
    """A placement group."""

    servergroup_id: str


class CreateImageArgs(Struct, frozen=True, kw_only=True):
    """An image and its source: a volume, or the URL that it is downloaded from."""

    image_id: str
    volume_id: str | None = None
    url: str | None = None


class DeleteImageArgs(Struct, frozen=True, kw_only=True):
    """An image."""

    image_id: str


CREATE_VM = TaskType("create_vm", CreateInstanceArgs)
CREATE_BAREMETAL = TaskType("create_bm", CreateInstanceArgs)
DELETE_VM = TaskType("delete_vm", DeleteInstanceArgs)
DELETE_BAREMETAL = TaskType("delete_bm", DeleteInstanceArgs)
RESIZE_VM = TaskType("resize_vm", ResizeInstanceArgs)
REBUILD_BAREMETAL = TaskType("rebuild_bm", InstanceTaskArgs)
PUT_INTO_PLACEMENT_GROUP = TaskType("put_into_server_group", PutIntoPlacementGroupArgs)
REMOVE_FROM_PLACEMENT_GROUP = TaskType("remove_from_server_group", RemoveFromPlacementGroupArgs)
DELETE_PLACEMENT_GROUP = TaskType("delete_servergroup", DeletePlacementGroupArgs)
CREATE_IMAGE = TaskType("create_image", CreateImageArgs, SlotClass.SLOW)
DOWNLOAD_IMAGE = TaskType("download_image", CreateImageArgs, SlotClass.SLOW)
DELETE_IMAGE = TaskType("delete_image", DeleteImageArgs)


def find_power_action_task_type(name: str) -> TaskType[PowerActionArgs]:
    """Return the task type of a power action; `name` is what `Instance.power_action_task_type` returns."""
    return TaskType(name, PowerActionArgs)
