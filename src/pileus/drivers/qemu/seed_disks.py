"""The seed disk that a machine reads at its first boot: cloud-init's NoCloud, a disk labelled `cidata`.

It holds no secret in plain text but what a tenant puts into user data: a password is stored as its hash.
"""

import base64
import binascii
import io
import json
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import bcrypt
import pycdlib

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NicSpec, SubnetSpec

PASSWORD_LIMIT = 72
"""Bytes of a password that bcrypt uses."""


def make_seed_disk(machine: MachineSpec, subnets: Sequence[SubnetSpec]) -> bytes:
    """Return the disk as an ISO 9660 file system. Raises DriverError for a password that is too long."""
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


def cloud_init_user_data(machine: MachineSpec) -> bytes:
    """Return the tenant's user data, or else a configuration with the ordered users, keys and password."""
    if machine.boot.user_data:
        return _decode(machine.boot.user_data)
    config: dict[str, Any] = {"hostname": valid_host_name(machine.name), "manage_etc_hosts": True}
    if machine.ssh_public_key:
        config["ssh_authorized_keys"] = [machine.ssh_public_key]
    if machine.boot.password:
        config |= _password_config(machine.boot.username, machine.boot.password, machine.ssh_public_key)
    return b"#cloud-config\n" + json.dumps(config, indent=2).encode() + b"\n"


def _decode(user_data: str) -> bytes:
    """Decode user data from base64, or return it as it is if it is not in base64."""
    try:
        return base64.b64decode(user_data, validate=True)
    except binascii.Error:
        return user_data.encode()


def valid_host_name(name: str) -> str:
    """Convert a name to a valid host name (RFC 1123)."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())
    return letters.strip("-")[:63] or "machine"


def _password_config(username: str | None, password: str, key: str | None) -> dict[str, Any]:
    secret = password.encode()
    if len(secret) > PASSWORD_LIMIT:
        raise DriverError(f"A password may have {PASSWORD_LIMIT} bytes at most", retryable=False)
    hashed = bcrypt.hashpw(secret, bcrypt.gensalt(10)).decode()
    if not username:
        return {"password": hashed, "chpasswd": {"expire": False}, "ssh_pwauth": True}
    user = {"name": username, "hashed_passwd": hashed, "lock_passwd": False, "shell": "/bin/bash"}
    keys = {"ssh_authorized_keys": [key]} if key else {}
    return {"users": ["default", {**user, **keys, "sudo": "ALL=(ALL) NOPASSWD:ALL"}], "ssh_pwauth": True}


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
    dhcp, addresses, routes = False, [], []
    for address in nic.addresses:
        subnet = _find_subnet(address, nic.network_id, subnets)
        version = ip_address(address).version
        if version == 4 and (subnet is None or subnet.enable_dhcp):  # the version of IP
            dhcp = True
            continue
        length = ip_network(subnet.cidr).prefixlen if subnet else 64
        addresses.append(str(ip_interface(f"{address}/{length}")))
        if subnet and subnet.gateway_ip:
            routes.append({"to": "default", "via": subnet.gateway_ip})
    config = {"match": {"macaddress": nic.mac_address}, "dhcp4": dhcp, "dhcp6": False}
    return config | ({"addresses": addresses} if addresses else {}) | ({"routes": routes} if routes else {})


def _find_subnet(address: str, network_id: str, subnets: Sequence[SubnetSpec]) -> SubnetSpec | None:
    candidates = (subnet for subnet in subnets if subnet.network_id == network_id)
    return next((subnet for subnet in candidates if ip_address(address) in ip_network(subnet.cidr)), None)
