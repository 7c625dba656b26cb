"""The kinds of resource that a seed file can contain, in the order in which they are created."""

from typing import Any

from msgspec import Struct

from pileus.api.wire.account.project_requests import CreateProject
from pileus.api.wire.compute.instance_requests import CreateInstance
from pileus.api.wire.compute.placement_group_requests import CreatePlacementGroup
from pileus.api.wire.compute.ssh_key_requests import CreateSSHKey
from pileus.api.wire.network.floating_ips import CreateFloatingIP
from pileus.api.wire.network.networks import CreateNetwork
from pileus.api.wire.network.reserved_fixed_ip_requests import ReserveSpecificFixedIP
from pileus.api.wire.network.router_requests import CreateRouter
from pileus.api.wire.network.security_group_requests import CreateSecurityGroup
from pileus.api.wire.network.subnet_requests import CreateSubnet
from pileus.api.wire.storage.volume_requests import CreateVolume


class SeedKind(Struct, frozen=True, kw_only=True):
    """A kind of resource: where it is created and listed, its body, and the field of its id.

    `refused_fields` would give a resource another name than that of its entry. `created_kind` is the kind under which
    a task returns the id. What has no name in the API, so that `body_type` has none, is recognized otherwise.
    """

    noun: str
    body_type: Any
    create_path: str
    list_path: str = ""
    id_field: str = "id"
    refused_fields: frozenset[str] = frozenset()
    created_kind: str = ""

    @property
    def path_of_list(self) -> str:
        """Return the path that lists the kind."""
        return self.list_path or self.create_path


HERE = "{project_id}/{region_id}"
NETWORKS, SUBNETS, PROJECTS = "networks", "subnets", "projects"
FLOATING_IPS, RESERVED_FIXED_IPS = "floating_ips", "reserved_fixed_ips"
NAMELESS_KINDS = frozenset({FLOATING_IPS, RESERVED_FIXED_IPS})
NAME_TAG = "name"
"""The tag that holds the name of a floating IP."""
SPECIFIC_ADDRESS = "ip_address"
"""The type of reserved fixed IP that has an address by which it is recognized, and the field of the address."""
SEED_KINDS = {
    NETWORKS: SeedKind(
        noun="network", body_type=CreateNetwork, create_path=f"/cloud/v1/networks/{HERE}", created_kind="networks"
    ),
    SUBNETS: SeedKind(
        noun="subnet", body_type=CreateSubnet, create_path=f"/cloud/v1/subnets/{HERE}", created_kind="subnets"
    ),
    "routers": SeedKind(
        noun="router", body_type=CreateRouter, create_path=f"/cloud/v1/routers/{HERE}", created_kind="routers"
    ),
    RESERVED_FIXED_IPS: SeedKind(
        noun="reserved fixed IP",
        body_type=ReserveSpecificFixedIP,
        create_path=f"/cloud/v1/reserved_fixed_ips/{HERE}",
        id_field="port_id",
        created_kind="ports",
    ),
    FLOATING_IPS: SeedKind(
        noun="floating IP",
        body_type=CreateFloatingIP,
        create_path=f"/cloud/v1/floatingips/{HERE}",
        created_kind="floatingips",
    ),
    "security_groups": SeedKind(
        noun="security group",
        body_type=CreateSecurityGroup,
        create_path=f"/cloud/v2/security_groups/{HERE}",
        list_path=f"/cloud/v1/securitygroups/{HERE}",
        created_kind="security_groups",
    ),
    "ssh_keys": SeedKind(noun="SSH key", body_type=CreateSSHKey, create_path="/cloud/v1/ssh_keys/{project_id}"),
    "placement_groups": SeedKind(
        noun="placement group",
        body_type=CreatePlacementGroup,
        create_path=f"/cloud/v1/servergroups/{HERE}",
        id_field="servergroup_id",
    ),
    "volumes": SeedKind(
        noun="volume", body_type=CreateVolume, create_path=f"/cloud/v1/volumes/{HERE}", created_kind="volumes"
    ),
    "instances": SeedKind(
        noun="instance",
        body_type=CreateInstance,
        create_path=f"/cloud/v2/instances/{HERE}",
        list_path=f"/cloud/v1/instances/{HERE}",
        refused_fields=frozenset({"names", "name_template", "name_templates"}),
        created_kind="instances",
    ),
}
PROJECT_KIND = SeedKind(noun="project", body_type=CreateProject, create_path="/cloud/v1/projects")
OFFERED_LISTS = {"images": (f"/cloud/v1/images/{HERE}", "id"), "flavors": (f"/cloud/v1/flavors/{HERE}", "flavor_id")}
"""What regions offer: the path of its list, and the field of its id."""
NOUNS = {
    **{name: kind.noun for name, kind in SEED_KINDS.items()},
    "images": "image",
    "flavors": "flavor",
}
REFERENCES = {
    "existing_floating_id": FLOATING_IPS,
    "flavor": "flavors",
    "image_id": "images",
    "instance_id_to_attach_to": "instances",
    "network_id": NETWORKS,
    "port_id": RESERVED_FIXED_IPS,
    "remote_group_id": "security_groups",
    "router_id_to_connect": "routers",
    "servergroup_id": "placement_groups",
    "ssh_key_name": "ssh_keys",
    "subnet_id": SUBNETS,
    "volume_id": "volumes",
}
"""The fields that identify a resource, and its kind."""
