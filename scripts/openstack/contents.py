"""Create what tests of Pileus need, with the names of its built-in catalogue; repeating it does no harm."""

import subprocess
import sys
import tempfile
from pathlib import Path

from accounts import connect
from openstack.connection import Connection
from partitioned_disk import partition_disk

IMAGE, BLANK_IMAGE = "debian-12-generic-x64", "blank"
FLAVORS = {"g1-standard-1-2": (1, 192), "g1-standard-2-4": (2, 256)}
"""Processors and MiB: real machines of these tests are small."""
CONFIG_DRIVE = {"hw_cdrom_bus": "scsi", "hw_scsi_model": "virtio-scsi"}
"""The tiny guest has no driver for other CD-ROM drives."""
VOLUME_TYPES = ("standard", "ssd_hiiops")
LOAD_BALANCER_FLAVORS = ("lb1-1-2", "lb1-2-4")


def main() -> None:
    """Create what is missing."""
    cloud, image = connect(Path(sys.argv[1])), Path(sys.argv[2])
    create_guest_image(cloud, image)
    create_blank_image(cloud)
    for name, (vcpus, ram) in FLAVORS.items():
        if not cloud.compute.find_flavor(name):
            cloud.compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=1)
    for name in VOLUME_TYPES:
        if not cloud.block_storage.find_type(name):
            cloud.block_storage.create_type(name=name, extra_specs={"volume_backend_name": name})
    create_external_network(cloud)
    create_load_balancer_flavors(cloud)


def create_guest_image(cloud: Connection, guest: Path) -> None:
    """Store the tiny guest."""
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory) / "guest.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", guest, raw], check=True)
        create_image(cloud, IMAGE, raw)


def create_blank_image(cloud: Connection) -> None:
    """Store a disk without a system: machines that need none take no processor time."""
    with tempfile.NamedTemporaryFile() as blank:
        blank.truncate(1 << 20)
        create_image(cloud, BLANK_IMAGE, Path(blank.name))


def create_image(cloud: Connection, name: str, file_system: Path) -> None:
    """Store an image with one partition: OpenStack refuses disks without a partition table."""
    if cloud.image.find_image(name):
        return
    with tempfile.TemporaryDirectory() as directory:
        disk, image = Path(directory) / "disk.raw", Path(directory) / "disk.qcow2"
        partition_disk(file_system, disk)
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, image], check=True)
        cloud.image.create_image(
            name=name,
            disk_format="qcow2",
            container_format="bare",
            filename=str(image),
            visibility="public",
            wait=True,
            **CONFIG_DRIVE,
        )


def create_external_network(cloud: Connection) -> None:
    """Create the network of floating IPs. Pileus chooses its addresses, so OpenStack has the last ones."""
    network = cloud.network.find_network("pub_net") or cloud.network.create_network(
        name="pub_net",
        is_router_external=True,
        is_shared=True,
        provider_network_type="flat",
        provider_physical_network="outside",
    )
    cloud.network.find_subnet("pub_net_v4") or cloud.network.create_subnet(
        name="pub_net_v4",
        network_id=network.id,
        ip_version=4,
        cidr="198.18.0.0/16",
        gateway_ip="198.18.0.1",
        is_dhcp_enabled=False,
        allocation_pools=[{"start": "198.18.255.1", "end": "198.18.255.200"}],
    )


def create_load_balancer_flavors(cloud: Connection) -> None:
    """Create the flavors of the provider without machines, which has nothing to make of their sizes."""
    service = cloud.load_balancer
    for name in LOAD_BALANCER_FLAVORS:
        profile = service.find_flavor_profile(name) or service.create_flavor_profile(
            name=name, provider_name="amphora", flavor_data='{"loadbalancer_topology": "SINGLE"}'
        )
        if not service.find_flavor(name):
            service.create_flavor(name=name, flavor_profile_id=profile.id, is_enabled=True)


if __name__ == "__main__":
    main()
