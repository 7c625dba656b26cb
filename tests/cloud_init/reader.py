"""A program that reads a seed or a metadata service by cloud-init's code, and prints the result as JSON.

`tests/cloud_init/packages.py` runs it: cloud-init's modules are not in the environment of the tests.
"""

import base64
import inspect
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def read_seed(folder: str) -> dict[str, Any]:
    """Read the directory as the data source NoCloud does, and apply it."""
    util = import_module("cloudinit.util")
    files = util.pathprefix2dict(f"{folder}/", required=["user-data", "meta-data"], optional=["network-config"])
    user_data = files["user-data"]
    config = util.load_yaml(util.decode_binary(user_data)) if user_data.startswith(b"#cloud-config") else {}
    return {
        "instance": util.load_yaml(files["meta-data"]),
        "content_types": list(read_content_types(user_data)),
        "interfaces": read_interfaces(util.load_yaml(files["network-config"])),
        "passwords": read_passwords(config),
    }


def read_content_types(user_data: bytes) -> Iterator[str]:
    """Yield the types of the parts of user data, which decide how they are handled."""
    processor = import_module("cloudinit.user_data").UserDataProcessor(paths=None)
    for part in processor.process(user_data).walk():
        if part.get_content_maintype() != "multipart":
            yield part.get_content_type()


def read_interfaces(network_config: dict[str, Any]) -> list[dict[str, Any]]:
    """Parse a network configuration, and render it for systems with and without netplan."""
    state = import_module("cloudinit.net.network_state").parse_net_config_data(network_config)
    for renderer in ("eni", "netplan", "sysconfig"):
        with tempfile.TemporaryDirectory() as target:
            config = import_module("cloudinit.distros.rhel").Distro.renderer_configs.get(renderer, {})
            module = import_module(f"cloudinit.net.{renderer}")
            module.Renderer(config).render_network_state(state, target=target)
    return list(state.iter_interfaces())


def read_passwords(config: dict[str, Any]) -> dict[str, Any]:
    """Return the users with passwords, and how the module for passwords calls `chpasswd`."""
    calls: list[dict[str, Any]] = []
    config = {"users": ["default"], **config}  # as in the configuration of every image
    users, _ = import_module("cloudinit.distros.ug_util").normalize_users_groups(config, Debian(calls))
    if "password" in config:
        module, cloud = import_module("cloudinit.config.cc_set_passwords"), SimpleNamespace(distro=Debian(calls))
        vars(module)["handle_ssh_pwauth"] = lambda *_: None
        values = {"name": "", "cfg": config, "cloud": cloud, "log": logging.getLogger(), "args": []}
        # Later versions have no parameter `log`.
        module.handle(**{name: values[name] for name in inspect.signature(module.handle).parameters})
    hashes = {name: user["hashed_passwd"] for name, user in users.items() if "hashed_passwd" in user}
    return {"calls": calls, "hashes": hashes}


class Debian:
    """The part of a distribution that the module for passwords uses."""

    name = "debian"

    def __init__(self, calls: list[dict[str, Any]]) -> None:
        self._calls = calls

    def get_default_user(self) -> dict[str, str]:
        """Return the default user of the image."""
        return {"name": "debian"}

    def chpasswd(self, plist_in: list[tuple[str, str]], *, hashed: bool) -> None:
        """Record the call."""
        self._calls.append({"hashed": hashed, "passwords": dict(plist_in)})


def read_metadata_service(address: str) -> dict[str, Any]:
    """Read a metadata service as the data sources OpenStack and EC2 do."""
    openstack = import_module("cloudinit.sources.helpers.openstack")
    ec2 = import_module("cloudinit.sources.helpers.ec2")

    class Reader(openstack.MetadataReader):  # type: ignore[misc, name-defined]  # its base class is not installed
        def _read_ec2_metadata(self) -> Any:
            return ec2.get_instance_metadata("2009-04-04", address, retries=0)

    reader = Reader(address, retries=0)
    document = reader.read_v2()
    links = {link["ethernet_mac_address"]: link["id"] for link in document["networkdata"]["links"]}
    return {
        "version": reader._find_working_version(),  # noqa: SLF001  # nothing else tells which version is read
        "metadata": document["metadata"],
        "ec2": document["ec2-metadata"],
        "user_data": base64.b64encode(document["userdata"]).decode(),
        "ec2_user_data": base64.b64encode(ec2.get_instance_userdata("2009-04-04", address, retries=0)).decode(),
        "interfaces": read_interfaces(openstack.convert_net_json(document["networkdata"], known_macs=links)),
    }


if __name__ == "__main__":
    logging.disable()
    command, source = sys.argv[1:]
    result = read_seed(source) if command == "seed" else read_metadata_service(source)
    Path("/dev/stdout").write_text(json.dumps(result), "utf-8")
