"""OpenStack: machines, volumes, images and networks of an existing OpenStack cloud.

Pileus decides what should exist, and OpenStack says what does. No table maps ids: each resource carries its id of
Pileus in its name, tag or description (see `names`).

`Openstack` is made of parts, one for each noun. Each part uses only those that stand before it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from pileus.drivers.openstack.adoption import OpenstackAdoption
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.comparisons import OpenstackComparison
from pileus.drivers.openstack.consoles import NovaConsoles
from pileus.drivers.openstack.floating_ips import NeutronFloatingIPs
from pileus.drivers.openstack.images import GlanceImages
from pileus.drivers.openstack.inventory import list_resource_ids
from pileus.drivers.openstack.machines import ServerLifecycle
from pileus.drivers.openstack.networks import NeutronNetworks
from pileus.drivers.openstack.octavia.changes import SERVICE as LOAD_BALANCER_SERVICE
from pileus.drivers.openstack.octavia.load_balancers import OctaviaLoadBalancers
from pileus.drivers.openstack.octavia.providers import choices_of
from pileus.drivers.openstack.octavia.readings import READING_THREADS, OctaviaReadings
from pileus.drivers.openstack.octavia.vips import VipPorts
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.openstack.routers import NeutronRouters
from pileus.drivers.openstack.security_groups import NeutronSecurityGroups
from pileus.drivers.openstack.server_devices import ServerDevices
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.snapshots import CinderSnapshots
from pileus.drivers.openstack.volume_attachments import CinderAttachments
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.adoption import ForeignMachine, ForeignNetwork, ForeignResources, ForeignVolume
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
from pileus.drivers.protocols.inventory import InventoryKind
from pileus.drivers.protocols.load_balancers import BalancedTraffic, LoadBalancerChoices, LoadBalancerSpec
from pileus.drivers.protocols.metrics import MachineSample
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.protocols.storage import DiskSpec


class Openstack:
    """The driver of one region of an OpenStack cloud."""

    PLACE_SETTINGS = ("cloud", "region")

    def __init__(self, config: DriverConfig[OpenstackSettings]) -> None:
        settings = config.settings
        self.cloud, self.waits = OpenstackCloud(settings), Waits(settings)
        self.names = CatalogueNames(self.cloud, config.catalogue)
        self.servers = OpenstackServers(self.cloud, self.waits)
        self.volumes = CinderVolumes(self.cloud, self.waits, self.names)
        self.attachments = CinderAttachments(self.cloud, self.servers, self.volumes)
        self.snapshots = CinderSnapshots(self.cloud, self.waits, self.volumes)
        self.images = GlanceImages(self.cloud, self.waits, self.volumes, config.download_limits)
        self.networks = NeutronNetworks(self.cloud, self.names)
        self.groups = NeutronSecurityGroups(self.cloud)
        self.ports = NeutronPorts(self.cloud, self.waits, self.names, servers=self.servers, groups=self.groups)
        self.routers = NeutronRouters(self.cloud, self.names, self.ports)
        self.floating_ips = NeutronFloatingIPs(self.cloud, self.names, self.ports)
        devices = ServerDevices(self.names, self.volumes, self.attachments, self.ports, boot_image=settings.boot_image)
        self.lifecycle = ServerLifecycle(self.cloud, self.servers, self.names, devices)
        vips = VipPorts(self.cloud, self.ports)
        self.load_balancer_provider = settings.load_balancer_provider
        self.load_balancers = OctaviaLoadBalancers(
            self.cloud, self.waits, vips, provider=settings.load_balancer_provider
        )
        self.load_balancer_readings = OctaviaReadings(self.cloud.with_own_threads(READING_THREADS))
        self.consoles = NovaConsoles(self.cloud, self.servers)
        self.comparison = OpenstackComparison(self.cloud)
        self.adoption = OpenstackAdoption(self.cloud, self.ports, self.groups)

    @classmethod
    def create(cls, config: DriverConfig[OpenstackSettings]) -> "Openstack":
        """Create the driver, without a request. Raises OSError if clouds.yaml does not describe the cloud."""
        return cls(config)

    async def check_health(self) -> str:
        """Check that OpenStack answers and accepts the credentials. Raises DriverError."""
        await self.cloud.get("compute", "/limits")
        return f"OpenStack {self.cloud.name}"

    def close(self) -> None:
        """Close the connections; everything in OpenStack stays."""
        self.load_balancer_readings.close()
        self.cloud.close()

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Start a machine, or create it."""
        await self.lifecycle.ensure_running_machine(machine)

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Start a machine that exists."""
        await self.lifecycle.ensure_started_machine(machine)

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Shut a machine down."""
        await self.lifecycle.ensure_stopped_machine(machine_id)

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a machine."""
        await self.lifecycle.ensure_suspended_machine(machine_id)

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for a request."""
        await self.lifecycle.ensure_restarted_machine(machine, request_id, hard=hard)

    async def ensure_rebuilt_machine(self, machine: MachineSpec, request_id: str) -> None:
        """Install the image of a bare metal server again, once for a request."""
        await self.lifecycle.ensure_rebuilt_machine(machine, request_id)

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Resize a machine."""
        await self.lifecycle.ensure_machine_size(machine)

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine."""
        await self.lifecycle.ensure_no_machine(machine_id)

    def observe(self) -> AsyncIterator[ObservedMachine]:
        """Yield the status of every machine."""
        return self.lifecycle.observe()

    async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the machines that do not exist."""
        return await self.lifecycle.list_missing_machines(machine_ids)

    async def list_resource_ids(self, kind: InventoryKind) -> set[str]:
        """Return what exists of a kind."""
        return await list_resource_ids(self.cloud, kind)

    async def list_changed_security_groups(self, groups: Sequence[SecurityGroupSpec]) -> set[str]:
        """Return the security groups that somebody has changed."""
        return await self.comparison.list_changed_security_groups(groups)

    async def list_changed_interfaces(self, interfaces: Mapping[str, tuple[str, NicSpec]]) -> set[str]:
        """Return the ports that somebody has changed."""
        return await self.comparison.list_changed_interfaces(interfaces)

    async def list_changed_floating_ips(self, floating_ips: Sequence[FloatingIPSpec]) -> set[str]:
        """Return the floating IPs that somebody has changed."""
        return await self.comparison.list_changed_floating_ips(floating_ips)

    async def list_foreign_resources(self, region_id: int, derive_id: Callable[[str], str]) -> ForeignResources:
        """Return what Pileus has not created."""
        return await self.adoption.list_foreign_resources(region_id, derive_id)

    async def adopt_network(self, network: ForeignNetwork) -> None:
        """Give a network the name of Pileus."""
        await self.adoption.adopt_network(network)

    async def adopt_volume(self, volume: ForeignVolume) -> None:
        """Give a volume the name of Pileus."""
        await self.adoption.adopt_volume(volume)

    async def adopt_machine(self, machine: ForeignMachine, groups: Sequence[SecurityGroupSpec]) -> None:
        """Tag a server."""
        await self.adoption.adopt_machine(machine, groups)

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume."""
        await self.volumes.ensure_volume(disk)

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume."""
        await self.volumes.ensure_no_volume(volume_id)

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Extend a volume."""
        await self.volumes.ensure_volume_size(volume_id, size_gib)

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Change the type of a volume."""
        await self.volumes.ensure_volume_type(volume_id, type_name)

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume to a machine."""
        await self.attachments.ensure_volume_attachment(machine_id, disk)

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume from a machine."""
        await self.attachments.ensure_no_volume_attachment(machine_id, volume_id)

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot of a volume."""
        await self.snapshots.ensure_snapshot(snapshot_id, volume_id)

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        await self.snapshots.ensure_no_snapshot(snapshot_id)

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Revert a detached volume to a snapshot, once for a request."""
        await self.snapshots.ensure_reverted_volume(volume_id, snapshot_id, request_id)

    async def ensure_image(self, image_id: str, source: ImageSource, on_progress: OnProgress) -> StoredImage:
        """Download an image, or copy a volume."""
        return await self.images.ensure_image(image_id, source, on_progress)

    async def ensure_no_image(self, image_id: str) -> None:
        """Delete an image."""
        await self.images.ensure_no_image(image_id)

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach an interface to a machine, or update it."""
        await self.ports.ensure_interface(machine_id, nic)

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface from a machine."""
        await self.ports.ensure_no_interface(machine_id, port_id)

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create a network, or update it."""
        await self.networks.ensure_network(network)

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        await self.networks.ensure_no_network(network_id)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create a subnet, or update it."""
        await self.networks.ensure_subnet(subnet)

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        await self.networks.ensure_no_subnet(subnet_id)

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create a router, or update it."""
        await self.routers.ensure_router(router)

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""
        await self.routers.ensure_no_router(router_id)

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router."""
        await self.routers.ensure_router_interface(router_id, nic)

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router."""
        await self.routers.ensure_no_router_interface(router_id, port_id)

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create a security group, or change its rules."""
        await self.groups.ensure_security_group(group)

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a security group."""
        await self.groups.ensure_no_security_group(group_id)

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Assign a floating IP to a port."""
        await self.floating_ips.ensure_floating_ip(floating_ip)

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Unassign a floating IP."""
        await self.floating_ips.ensure_no_floating_ip(floating_ip_id)

    async def find_missing_load_balancers(self) -> str | None:
        """Return what the cloud needs for load balancers."""
        if await self.cloud.has_service(LOAD_BALANCER_SERVICE):
            return None
        return (
            f"The cloud {self.cloud.name} has no load balancers: its operator can install Octavia; until then, run"
            " HAProxy on an instance"
        )

    async def find_load_balancer_obstacle(self) -> str | None:
        """Return None: a cloud with the service creates them."""
        return None

    def load_balancer_choices(self) -> LoadBalancerChoices:
        """Return what the provider of load balancers has."""
        return choices_of(self.load_balancer_provider)

    async def ensure_load_balancer(self, load_balancer: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts."""
        await self.load_balancers.ensure_load_balancer(load_balancer)
        self.load_balancer_readings.forget(load_balancer.id)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer."""
        await self.load_balancers.ensure_no_load_balancer(load_balancer_id)
        self.load_balancer_readings.forget(load_balancer_id)

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the operating statuses of members."""
        return await self.load_balancer_readings.member_statuses(load_balancer_ids)

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Return the counters of listeners."""
        return await self.load_balancer_readings.traffic_by_listener_id(load_balancer_id)

    async def load_balancer_samples(
        self,
        load_balancer_id: str,
        since: int,  # noqa: ARG002  # Octavia keeps no history
        until: int,  # noqa: ARG002  # see above
        max_count: int,  # noqa: ARG002  # see above
    ) -> list[MachineSample]:
        """Return no samples. Raises DriverError if there is no such load balancer."""
        await self.load_balancer_readings.require(load_balancer_id)
        return []

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page with a machine's screen."""
        return await self.consoles.open_console(machine_id, console_type)

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return the end of a machine's serial output."""
        return await self.consoles.read_serial_log_end(machine_id, max_bytes)
