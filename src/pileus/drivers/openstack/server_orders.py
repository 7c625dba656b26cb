"""The request that creates a server."""

import base64
from collections.abc import Mapping, Sequence

from pileus.drivers.cloud_init import cloud_init_user_data
from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.names import MACHINE_TAG, engine_name
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.storage import DiskSpec


def make_server_order(
    machine: MachineSpec,
    *,
    flavor_id: str,
    image_id: str | None,
    engine_volume_ids: Mapping[str, str],
    engine_port_ids: Sequence[str],
) -> Json:
    """Return the body of the request. With `image_id`, the boot disk is the server's own."""
    server: Json = {
        "name": machine.name,
        "flavorRef": flavor_id,
        "networks": [{"port": port_id} for port_id in engine_port_ids] or "none",
        "tags": [MACHINE_TAG, engine_name(machine.id)],
        "config_drive": True,
        "user_data": base64.b64encode(cloud_init_user_data(machine)).decode(),
        "block_device_mapping_v2": _boot_devices(machine.disks, image_id, engine_volume_ids),
    }
    if image_id:
        server["imageRef"] = image_id
    if machine.ssh_public_key:
        server["key_name"] = engine_name(machine.id)
    return {"server": server}


def _boot_devices(disks: Sequence[DiskSpec], image_id: str | None, engine_volume_ids: Mapping[str, str]) -> list[Json]:
    own_disk = {
        "uuid": image_id,
        "source_type": "image",
        "destination_type": "local",
        "boot_index": 0,
        "delete_on_termination": True,
    }
    volumes = [
        {
            "uuid": engine_volume_ids[disk.id],
            "source_type": "volume",
            "destination_type": "volume",
            "boot_index": -1 if image_id else disk.boot_index,
            "delete_on_termination": False,
        }
        for disk in sorted(disks, key=lambda disk: disk.boot_index < 0)
    ]
    return [own_disk, *volumes] if image_id else volumes
