"""Every operation, by its task type."""

from collections.abc import Mapping

from pileus.tasks.account.delete_project import DELETE_PROJECT
from pileus.tasks.compute.create_image import CREATE_IMAGE, DOWNLOAD_IMAGE
from pileus.tasks.compute.create_instance import CREATE_INSTANCE
from pileus.tasks.compute.delete_image import DELETE_IMAGE
from pileus.tasks.compute.delete_instance import DELETE_INSTANCE
from pileus.tasks.compute.delete_placement_group import DELETE_PLACEMENT_GROUP
from pileus.tasks.compute.power_actions import POWER_ACTIONS
from pileus.tasks.compute.put_into_placement_group import PUT_INTO_PLACEMENT_GROUP
from pileus.tasks.compute.rebuild_server import REBUILD_SERVER
from pileus.tasks.compute.remove_from_placement_group import REMOVE_FROM_PLACEMENT_GROUP
from pileus.tasks.compute.resize_instance import RESIZE_INSTANCE
from pileus.tasks.network.attach_interface import ATTACH_INTERFACE
from pileus.tasks.network.convert_address import CONVERT_ADDRESS
from pileus.tasks.network.create_fip import CREATE_FIP
from pileus.tasks.network.create_network import CREATE_NETWORK
from pileus.tasks.network.create_router import CREATE_ROUTER
from pileus.tasks.network.create_subnet import CREATE_SUBNET
from pileus.tasks.network.delete_fip import DELETE_FIP
from pileus.tasks.network.delete_network import DELETE_NETWORK
from pileus.tasks.network.delete_router import DELETE_ROUTER
from pileus.tasks.network.delete_subnet import DELETE_SUBNET
from pileus.tasks.network.detach_interface import DETACH_INTERFACE
from pileus.tasks.network.protect_address import PROTECT_ADDRESS
from pileus.tasks.network.reserved_fixed_ips import RESERVED_FIXED_IPS
from pileus.tasks.network.security_groups import SECURITY_GROUPS
from pileus.tasks.network.update_address_pairs import UPDATE_PORT
from pileus.tasks.network.update_floating_ip import UPDATE_FLOATING_IP
from pileus.tasks.network.update_network import UPDATE_NETWORK
from pileus.tasks.network.update_port import SECURE_PORTS
from pileus.tasks.network.update_router import UPDATE_ROUTER
from pileus.tasks.network.update_subnet import UPDATE_SUBNET
from pileus.tasks.operation import Operation
from pileus.tasks.storage.attach_volume import ATTACH_VOLUME
from pileus.tasks.storage.create_snapshot import CREATE_SNAPSHOT
from pileus.tasks.storage.create_volume import CREATE_VOLUME
from pileus.tasks.storage.delete_snapshot import DELETE_SNAPSHOT
from pileus.tasks.storage.delete_volume import DELETE_VOLUME
from pileus.tasks.storage.detach_volume import DETACH_VOLUME
from pileus.tasks.storage.extend_volume import EXTEND_VOLUME
from pileus.tasks.storage.retype_volume import RETYPE_VOLUME
from pileus.tasks.storage.revert_volume import REVERT_VOLUME

EVERY: tuple[Operation, ...] = (
    *CREATE_INSTANCE,
    *DELETE_INSTANCE,
    *POWER_ACTIONS,
    *ATTACH_INTERFACE,
    DETACH_INTERFACE,
    UPDATE_PORT,
    SECURE_PORTS,
    *SECURITY_GROUPS,
    CREATE_FIP,
    UPDATE_FLOATING_IP,
    DELETE_FIP,
    *RESERVED_FIXED_IPS,
    *CONVERT_ADDRESS,
    *PROTECT_ADDRESS,
    RESIZE_INSTANCE,
    REBUILD_SERVER,
    PUT_INTO_PLACEMENT_GROUP,
    REMOVE_FROM_PLACEMENT_GROUP,
    DELETE_PLACEMENT_GROUP,
    DELETE_PROJECT,
    CREATE_IMAGE,
    DOWNLOAD_IMAGE,
    DELETE_IMAGE,
    ATTACH_VOLUME,
    CREATE_SNAPSHOT,
    CREATE_VOLUME,
    DELETE_SNAPSHOT,
    DELETE_VOLUME,
    DETACH_VOLUME,
    EXTEND_VOLUME,
    RETYPE_VOLUME,
    REVERT_VOLUME,
    CREATE_NETWORK,
    UPDATE_NETWORK,
    DELETE_NETWORK,
    CREATE_SUBNET,
    UPDATE_SUBNET,
    DELETE_SUBNET,
    CREATE_ROUTER,
    UPDATE_ROUTER,
    DELETE_ROUTER,
)
OPERATIONS: Mapping[str, Operation] = {operation.task_type: operation for operation in EVERY}
