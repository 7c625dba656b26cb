"""QEMU: real machines on the host that the server runs on, without a daemon and without root's rights.

Each machine is a process of its own, which outlives the server: the next server finds it by its record and its sockets.
The state file `facts.db` is shared by all processes of the server.

`Qemu` is made of parts. Those that all others use are the state file, the records and `MachineControl` (locks,
processes, monitors); the rest stands in the order in which one part uses another.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.guests import DiskSpace, MachineMetadata, PortForward, TotalCapacity
from pileus.drivers.protocols.images import ImageSource, OnProgress, StoredImage
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
from pileus.drivers.protocols.storage import DiskSpec, FileShareSpec, ShareAccess
from pileus.drivers.qemu.base_images import BaseImages
from pileus.drivers.qemu.child_processes import ChildProcesses
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.consoles import ConsoleSockets
from pileus.drivers.qemu.devices import MachineDevices
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.ganesha.file_shares import GaneshaFileShares
from pileus.drivers.qemu.haproxy.parts import CHOICES, LoadBalancerParts
from pileus.drivers.qemu.host import HostCapacity, measure_disk_space
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.images import ImageFiles
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_metadata import MetadataPublisher
from pileus.drivers.qemu.machine_records import DeviceSlots, MachineRecords
from pileus.drivers.qemu.machines import MachineLifecycle
from pileus.drivers.qemu.metrics import MetricsSampler
from pileus.drivers.qemu.nics import NicAttachments
from pileus.drivers.qemu.observer import MachineObserver
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.processes import QemuProcesses
from pileus.drivers.qemu.programs import Programs, find_programs
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.snapshots import SnapshotFiles
from pileus.drivers.qemu.state import QemuStateFile
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.supervisor import MachineSupervisor
from pileus.drivers.qemu.users import HostUsers
from pileus.drivers.qemu.volume_attachments import VolumeAttachments
from pileus.drivers.qemu.volume_copies import VolumeCopier
from pileus.drivers.qemu.volumes import VolumeFiles
from pileus.drivers.tickets import ConsoleTickets

LOG = logging.getLogger(__name__)
PATIENCE = 30.0
"""Seconds that a guest has to shut down."""


class Qemu:
    """The driver of one host: no bare metal servers, no migration, no DDoS protection."""

    MACHINES_ARE_IN_DATA_DIRECTORY = True
    SERVES_ALL_ITS_REGIONS = True

    def __init__(  # noqa: PLR0913  # settings of the operator, each by its name
        self,
        data: Path,
        programs: Programs,
        catalogue: Catalogue,
        *,
        settings: QemuSettings | None = None,
        download_limits: DownloadLimits | None = None,
        public_url: str = "http://127.0.0.1:8080",
        patience: float = PATIENCE,
    ) -> None:
        settings = settings or QemuSettings()
        self.programs = programs
        self.directory = DataDirectory(data, HostUsers(settings, programs.accelerator))
        self.directory.create_directories()
        self.directory.users.warn_if_shared()
        self.state = QemuStateFile(self.directory.folder / "facts.db", self._apply_network)
        self.records, child_processes = MachineRecords(self.state), ChildProcesses()
        self.client_users = ClientUsers(self.state, self.directory.users)
        self.control = MachineControl(self.directory, self.records, child_processes)
        self.host_capacity = HostCapacity(settings, self.records)
        self.fabric_updater = FabricUpdater(self.control, self.state, catalogue, settings.bridges_by_network)
        self._compose_devices(catalogue, data / "images", download_limits or DownloadLimits())
        self._compose_machines(settings, patience, catalogue)
        self.metadata = MetadataPublisher(self.records, self.fabric_updater)
        tickets = ConsoleTickets(self.directory.folder / "tickets.key")
        self.consoles = ConsoleSockets(self.control, tickets, public_url)

    @classmethod
    def create(cls, config: DriverConfig[QemuSettings]) -> "Qemu":
        """Create the driver. Raises OSError if QEMU is missing or too old, or a bridged network is unknown."""
        networks = {network.name for network in config.catalogue.networks}
        if unknown := sorted(config.settings.bridges_by_network.keys() - networks):
            known = ", ".join(sorted(networks))
            raise OSError(f"--qemu-bridges: the catalogue has no network {', '.join(unknown)}; it has {known}")
        return cls(
            config.data,
            find_programs(config.settings.accelerator, config.settings),
            config.catalogue,
            settings=config.settings,
            download_limits=config.download_limits,
            public_url=config.public_url,
        )

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Start a machine, or resume it."""
        await self.lifecycle.ensure_running_machine(machine)

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Start or resume a machine that exists."""
        await self.lifecycle.ensure_started_machine(machine)

    async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the machines that have no record."""
        existing = self.records.by_id()
        return [machine_id for machine_id in machine_ids if machine_id not in existing]

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Shut a machine down."""
        await self.lifecycle.ensure_stopped_machine(machine_id)

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Pause a machine in memory."""
        await self.lifecycle.ensure_suspended_machine(machine_id)

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for a request."""
        await self.lifecycle.ensure_restarted_machine(machine, request_id, hard=hard)

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Resize a machine."""
        await self.lifecycle.ensure_machine_size(machine)

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine."""
        await self.lifecycle.ensure_no_machine(machine_id)

    def observe(self) -> AsyncIterator[ObservedMachine]:
        """Yield the status of every machine."""
        return self.observer.observe()

    async def watch_machines(self, on_change: Callable[[], None]) -> None:
        """Supervise all machines until cancelled."""
        await self.supervisor.watch_machines(on_change)

    async def check_health(self) -> str:
        """Check that the fabric works. Return QEMU's version and accelerator, and bad frames. Raises DriverError."""
        report = await self.fabric_updater.fetch_report()
        errors = sum(report.errors.values())
        dropped = f"; malformed frames: {report.malformed}, errors: {errors}" if report.malformed or errors else ""
        return f"{self.programs}{dropped}"

    def total_capacity(self) -> TotalCapacity:
        """Return the vCPUs and the memory that the host has for machines."""
        return self.host_capacity.total_capacity()

    async def measure_disk_space(self) -> DiskSpace:
        """Measure the file system of the data directory."""
        return await asyncio.to_thread(measure_disk_space, self.directory.folder)

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume."""
        await self.volumes.ensure_volume(disk)

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume."""
        await self.volumes.ensure_no_volume(volume_id)

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Resize a volume."""
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
        await self.nics.ensure_interface(machine_id, nic)

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface from a machine."""
        await self.nics.ensure_no_interface(machine_id, port_id)

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create a network, or update it."""
        await self.state.ensure_network(network)

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        await self.state.ensure_no_network(network_id)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create a subnet, or update it."""
        await self.state.ensure_subnet(subnet)

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        await self.state.ensure_no_subnet(subnet_id)

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create a router, or update it."""
        await self.state.ensure_router(router)

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""
        await self.state.ensure_no_router(router_id)

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router."""
        await self.state.ensure_router_interface(router_id, nic)

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router."""
        await self.state.ensure_no_router_interface(router_id, port_id)

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create a security group, or update its rules."""
        await self.state.ensure_security_group(group)

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a security group."""
        await self.state.ensure_no_security_group(group_id)

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Assign a floating IP to a port."""
        await self.state.ensure_floating_ip(floating_ip)

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Unassign a floating IP."""
        await self.state.ensure_no_floating_ip(floating_ip_id)

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """Return the ports of the host that are forwarded to a machine."""
        return await self.fabric_updater.port_forwards(machine_id)

    async def list_descriptions(self) -> Mapping[str, MachineMetadata]:
        """Return the metadata that each machine is served."""
        return self.metadata.metadata_by_machine_id()

    async def ensure_machine_metadata(self, machine_id: str, metadata: MachineMetadata) -> None:
        """Update the metadata that a machine is served."""
        await self.metadata.ensure_machine_metadata(machine_id, metadata)

    async def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return at most `max_count` samples of a machine."""
        return self.sampler.machine_samples(machine_id, since, until, max_count)

    def load_balancer_choices(self) -> LoadBalancerChoices:
        """Return what HAProxy balances."""
        return CHOICES

    async def find_load_balancer_obstacle(self) -> str | None:
        """Return why no load balancer can run on this host."""
        return await asyncio.to_thread(self.haproxy.programs.find_obstacle)

    async def ensure_load_balancer(self, load_balancer: LoadBalancerSpec) -> None:
        """Create or update a load balancer."""
        await self.haproxy.load_balancers.ensure_load_balancer(load_balancer)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer."""
        await self.haproxy.load_balancers.ensure_no_load_balancer(load_balancer_id)

    async def member_statuses(self, load_balancer_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the operating status of each member that HAProxy has."""
        return await self.haproxy.load_balancers.member_statuses(load_balancer_ids)

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Return the counters of each listener."""
        return await self.haproxy.traffic.traffic_by_listener_id(load_balancer_id)

    async def load_balancer_samples(
        self, load_balancer_id: str, since: int, until: int, max_count: int
    ) -> list[MachineSample]:
        """Return at most `max_count` samples of a load balancer."""
        return self.haproxy.sampler.load_balancer_samples(load_balancer_id, since, until, max_count)

    async def find_file_share_obstacle(self, type_name: str) -> str | None:
        """Return why no file share of a type can be served on this host."""
        return await self.file_shares.find_obstacle(type_name)

    async def ensure_file_share(self, share: FileShareSpec) -> str:
        """Create or resize a file share."""
        return await self.file_shares.ensure_file_share(share)

    async def ensure_no_file_share(self, share_id: str) -> None:
        """Delete a file share."""
        await self.file_shares.ensure_no_file_share(share_id)

    async def ensure_share_access(self, access: ShareAccess) -> None:
        """Grant access to a file share."""
        await self.file_shares.ensure_share_access(access)

    async def ensure_no_share_access(self, share_id: str, access_id: str) -> None:
        """Revoke access to a file share."""
        await self.file_shares.ensure_no_share_access(share_id, access_id)

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page with a machine's screen."""
        return self.consoles.open_console(machine_id, console_type)

    async def open_screen_stream(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the screen that a ticket is for."""
        return await self.consoles.open_screen_stream(token)

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return the end of a machine's serial output."""
        return await self.consoles.read_serial_log_end(machine_id, max_bytes)

    def close(self) -> None:
        """Close the state file; machines and the fabric keep running."""
        self.control.children.leave_all_running()
        self.state.close()

    def _compose_devices(self, catalogue: Catalogue, operator_files: Path, limits: DownloadLimits) -> None:
        records = StorageRecords(self.state)
        slots, hotplug = DeviceSlots(self.state), Hotplug(self.control)
        self.qemu_img = QemuImg(self.programs, self.directory)
        base_images = BaseImages(self.directory, self.qemu_img, records, catalogue, operator_files)
        base_images.link_former_bases()
        users = self.client_users
        copier = VolumeCopier(self.control, self.qemu_img, records, users)
        self.volumes = VolumeFiles(self.control, users, self.qemu_img, records, base_images)
        self.snapshots = SnapshotFiles(
            self.directory, users, qemu_img=self.qemu_img, records=records, base_images=base_images, copier=copier
        )
        self.images = ImageFiles(
            self.directory, users, records=records, base_images=base_images, copier=copier, download_limits=limits
        )
        self.attachments = VolumeAttachments(self.control, users, hotplug, slots, records)
        self.nics = NicAttachments(self.control, hotplug, slots, self.state, self.fabric_updater)
        self.devices = MachineDevices(self.attachments, self.nics, slots)

    def _compose_machines(self, settings: QemuSettings, patience: float, catalogue: Catalogue) -> None:
        processes = QemuProcesses(self.control, self.client_users, self.programs, self.fabric_updater, patience)
        self.lifecycle = MachineLifecycle(self.control, self.client_users, self.host_capacity, self.devices, processes)
        self.observer = MachineObserver(self.control, processes, resume=settings.resume)
        self.sampler = MetricsSampler(self.control, self.state, self.fabric_updater, kept_days=settings.metrics_days)
        self.haproxy = LoadBalancerParts(
            self.control, self.state, self.client_users, self.fabric_updater, self.sampler, catalogue
        )
        self.file_shares = GaneshaFileShares(self.control, self.state, self.fabric_updater)
        self.supervisor = MachineSupervisor(
            self.control,
            self.lifecycle,
            self.sampler,
            self.fabric_updater,
            load_balancers=self.haproxy.load_balancers,
            load_balancer_sampler=self.haproxy.sampler,
            file_shares=self.file_shares,
            resume=settings.resume,
        )

    async def _apply_network(self) -> None:
        await self.fabric_updater.send_network_state()
