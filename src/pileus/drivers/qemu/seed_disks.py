"""The seed disk that a machine reads at its first boot: cloud-init's NoCloud, a disk labelled `cidata`.

It holds no secret in plain text but what a tenant puts into user data: a password is stored as its hash.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import pycdlib

from pileus.drivers.cloud_init import cloud_init_user_data, valid_host_name
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.interface_configs import address_configs


def make_seed_disk(machine: MachineSpec, subnets: Sequence[SubnetSpec]) -> bytes:
    """Return the disk as an ISO 9660 file system."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    files = {
        "meta-data": _meta_data(machine).encode(),
        "user-data": cloud_init_user_data(machine),
        "network-config": _network_config(machine.nics, subnets).encode(),
    }
    for number, (file, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/F{number}.;1", rr_name=file, joliet_path=f"/{file}")
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def _meta_data(machine: MachineSpec) -> str:
    meta_data: dict[str, Any] = {"instance-id": machine.id, "local-hostname": valid_host_name(machine.name)}
    if machine.ssh_public_key:
        meta_data["public-keys"] = [machine.ssh_public_key]
    return json.dumps(meta_data, indent=2)


def _network_config(nics: Sequence[NicSpec], subnets: Sequence[SubnetSpec]) -> str:
    """Return cloud-init's network configuration: interfaces by MAC address, with DHCP or with static addresses."""
    interfaces = {f"nic{number}": _interface_config(nic, subnets) for number, nic in enumerate(nics)}
    return json.dumps({"version": 2, "ethernets": interfaces}, indent=2)


def _interface_config(nic: NicSpec, subnets: Sequence[SubnetSpec]) -> dict[str, Any]:
    """Return the configuration of an interface. What has DHCP gets routes and name servers by it."""
    configs = list(address_configs(nic, subnets))
    static = [config for config in configs if not config.dhcp]
    name_servers = list(dict.fromkeys(server for config in static for server in config.name_servers))
    optional = {
        "addresses": [f"{config.address}/{config.prefix_length}" for config in static],
        "routes": [{"to": route.destination, "via": route.nexthop} for config in static for route in config.routes],
        "nameservers": {"addresses": name_servers} if name_servers else None,
    }
    uses_dhcp = any(config.dhcp for config in configs)
    always = {"match": {"macaddress": nic.mac_address}, "dhcp4": uses_dhcp, "dhcp6": False}
    return always | {name: value for name, value in optional.items() if value}
