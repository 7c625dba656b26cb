"""Task types on networks, addresses and security groups, and their arguments."""

from msgspec import UNSET, Struct, UnsetType, field

from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.network.floating_ips import FloatingIPTarget
from pileus.domain.network.ports import AddressPair
from pileus.domain.network.routers import RouterPatch
from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.domain.network.subnets import SubnetPatch
from pileus.domain.patches import ResourcePatch
from pileus.domain.tasks import TaskType


class NetworkTaskArgs(Struct, frozen=True, kw_only=True):
    """A network."""

    network_id: str


class CreateOrDeleteNetworkArgs(NetworkTaskArgs, frozen=True, kw_only=True):
    """A network, and the router that is created or deleted with it, if any."""

    router_id: str | None = None


class UpdateNetworkArgs(NetworkTaskArgs, frozen=True, kw_only=True):
    """A network and the changes to it."""

    patch: ResourcePatch


class SubnetTaskArgs(Struct, frozen=True, kw_only=True):
    """A subnet."""

    subnet_id: str


class UpdateSubnetArgs(SubnetTaskArgs, frozen=True, kw_only=True):
    """A subnet and the changes to it."""

    patch: SubnetPatch


class RouterTaskArgs(Struct, frozen=True, kw_only=True):
    """A router."""

    router_id: str


class UpdateRouterArgs(RouterTaskArgs, frozen=True, kw_only=True):
    """A router and the changes to it.

    The task removes the ports `new`, which exist from its start on, if it fails, and the ports `old` when it is done.
    """

    patch: RouterPatch
    new: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)


class FloatingIPTaskArgs(Struct, frozen=True, kw_only=True):
    """A floating IP."""

    floating_ip_id: str


class UpdateFloatingIPArgs(FloatingIPTaskArgs, frozen=True, kw_only=True):
    """A floating IP, its new target (None: unchanged), and a merge patch of its tags."""

    target: FloatingIPTarget | None = None
    tags: dict[str, str | None] | UnsetType | None = UNSET


class DeleteFloatingIPArgs(FloatingIPTaskArgs, frozen=True, kw_only=True):
    """A floating IP and the DDoS profiles of its address, which are deleted with it."""

    profiles: list[int] = field(default_factory=list)


class ConvertFloatingIPToReservedFixedIPArgs(FloatingIPTaskArgs, frozen=True, kw_only=True):
    """A floating IP and the id of the reserved fixed IP that replaces it."""

    new_id: str


class PortTaskArgs(Struct, frozen=True, kw_only=True):
    """A port."""

    port_id: str


class CreateReservedFixedIPArgs(PortTaskArgs, frozen=True, kw_only=True):
    """A port; `made` says whether it was created for the reservation or was an instance's port before."""

    made: bool


class DeleteReservedFixedIPArgs(PortTaskArgs, frozen=True, kw_only=True):
    """A port and the DDoS profiles of its addresses, which are deleted with it."""

    profiles: list[int] = field(default_factory=list)


class ConvertReservedFixedIPToFloatingIPArgs(PortTaskArgs, frozen=True, kw_only=True):
    """A port and the id of the floating IP that replaces it."""

    new_id: str


class AttachOrDetachInterfaceArgs(Struct, frozen=True, kw_only=True):
    """An instance, its port, and the DDoS profiles that are created or deleted with the port's addresses.

    `kept_floating_ips` were assigned to the port before it was attached, and stay if that fails.
    """

    instance_id: str
    port_id: str
    profiles: list[int] = field(default_factory=list)
    kept_floating_ips: list[str] = field(default_factory=list)


class UpdatePortSecurityArgs(Struct, frozen=True, kw_only=True):
    """Ports whose security groups or port security have changed, and the instance that had them then, if any."""

    port_ids: list[str]
    instance_id: str | None = None


class UpdateAddressPairsArgs(PortTaskArgs, frozen=True, kw_only=True):
    """A port, the instance that it is attached to, if any, and the address pairs that it had before the task.

    `others` has the previous pairs of further ports of the instance by the id of the port.
    """

    instance_id: str | None = None
    before: list[AddressPair] = field(default_factory=list)
    others: dict[str, list[AddressPair]] = field(default_factory=dict)

    @property
    def before_by_port(self) -> dict[str, list[AddressPair]]:
        """The address pairs that each port had before the task, by its id."""
        return {self.port_id: self.before, **self.others}


class SecurityGroupTaskArgs(Struct, frozen=True, kw_only=True):
    """A security group."""

    group_id: str


class UpdateSecurityGroupArgs(SecurityGroupTaskArgs, frozen=True, kw_only=True, omit_defaults=True):
    """A security group and the changes to it; `created` is the id of a new rule among the `rules` that replace all."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    rules: list[SecurityGroupRule] | UnsetType = UNSET
    tags: dict[str, str | None] | UnsetType | None = UNSET
    created: str | None = None


class SecretTaskArgs(Struct, frozen=True, kw_only=True):
    """A secret."""

    secret_id: str


class ChangeDdosProfileArgs(Struct, frozen=True, kw_only=True):
    """A DDoS profile and its state before the task; None for a new one."""

    profile_id: int
    before: DdosProfile | None = None


CREATE_NETWORK = TaskType("create_network", CreateOrDeleteNetworkArgs)
UPDATE_NETWORK = TaskType("update_network", UpdateNetworkArgs)
DELETE_NETWORK = TaskType("delete_network", CreateOrDeleteNetworkArgs)
CREATE_SUBNET = TaskType("create_subnet", SubnetTaskArgs)
UPDATE_SUBNET = TaskType("update_subnet", UpdateSubnetArgs)
DELETE_SUBNET = TaskType("delete_subnet", SubnetTaskArgs)
CREATE_ROUTER = TaskType("create_router", RouterTaskArgs)
UPDATE_ROUTER = TaskType("update_router", UpdateRouterArgs)
DELETE_ROUTER = TaskType("delete_router", RouterTaskArgs)
CREATE_FLOATING_IP = TaskType("create_fip", FloatingIPTaskArgs)
UPDATE_FLOATING_IP = TaskType("update_floating_ip", UpdateFloatingIPArgs)
DELETE_FLOATING_IP = TaskType("delete_fip", DeleteFloatingIPArgs)
CONVERT_FLOATING_IP = TaskType("convert_floating_ip", ConvertFloatingIPToReservedFixedIPArgs)
CREATE_RESERVED_FIXED_IP = TaskType("create_reserved_fixed_ip", CreateReservedFixedIPArgs)
DELETE_RESERVED_FIXED_IP = TaskType("delete_reserved_fixed_ip", DeleteReservedFixedIPArgs)
CONVERT_RESERVED_FIXED_IP = TaskType("convert_reserved_fixed_ip", ConvertReservedFixedIPToFloatingIPArgs)
ATTACH_INTERFACE = TaskType("attach_vm_interface", AttachOrDetachInterfaceArgs)
ATTACH_RESERVED_FIXED_IP = TaskType("attach_vm_to_reserved_fixed_ip", AttachOrDetachInterfaceArgs)
DETACH_INTERFACE = TaskType("detach_vm_interface", AttachOrDetachInterfaceArgs)
UPDATE_PORTS = TaskType("update_port", UpdatePortSecurityArgs)
UPDATE_ADDRESS_PAIRS = TaskType("update_port_allowed_address_pairs", UpdateAddressPairsArgs)
CREATE_SECURITY_GROUP = TaskType("create_security_group", SecurityGroupTaskArgs)
UPDATE_SECURITY_GROUP = TaskType("update_security_group", UpdateSecurityGroupArgs)
CREATE_SECURITY_GROUP_RULE = TaskType("create_security_group_rule", UpdateSecurityGroupArgs)
DELETE_SECURITY_GROUP_RULE = TaskType("delete_security_group_rule", UpdateSecurityGroupArgs)
DELETE_SECURITY_GROUP = TaskType("delete_security_group", SecurityGroupTaskArgs)
CREATE_SECRET = TaskType("create_secret", SecretTaskArgs)
DELETE_SECRET = TaskType("delete_secret", SecretTaskArgs)
CREATE_DDOS_PROFILE = TaskType("create_ddos_profile", ChangeDdosProfileArgs)
UPDATE_DDOS_PROFILE = TaskType("update_ddos_profile", ChangeDdosProfileArgs)
ACTIVATE_DDOS_PROFILE = TaskType("activate_ddos_profile", ChangeDdosProfileArgs)
DEACTIVATE_DDOS_PROFILE = TaskType("deactivate_ddos_profile", ChangeDdosProfileArgs)
DELETE_DDOS_PROFILE = TaskType("delete_ddos_profile", ChangeDdosProfileArgs)
