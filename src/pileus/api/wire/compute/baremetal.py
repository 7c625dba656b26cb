"""Bare metal servers: as the API shows them, and the bodies that make and change them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.account.limits import CountedInterface
from pileus.api.wire.compute.flavors import FlavorView
from pileus.api.wire.compute.instances import (
    AddressView,
    FixedIpAssignment,
    InstanceSecurityGroup,
    InstanceView,
    InstanceVolume,
    Isolation,
)
from pileus.api.wire.constraints import Name, NameTemplate, Uuid
from pileus.api.wire.network.ddos_profiles import BlackholePortView, DdosProfileView, NewProfile
from pileus.api.wire.network.interfaces import NewInterface
from pileus.api.wire.tags import NewTags, TagView
from pileus.domain.compute.instance_orders import InstanceOrder, NewVolume, Source
from pileus.domain.errors import invalid
from pileus.domain.tags import validate_tags


class CreateServer(Struct, kw_only=True):
    """A bare metal server to make, from one image or one app template; it has disks of its own and no volumes."""

    flavor: str
    interfaces: Annotated[list[NewInterface], Meta(min_length=1, max_length=6)]
    image_id: Uuid | None = None
    apptemplate_id: str | None = None
    name: Name | None = None
    name_template: NameTemplate | None = None
    ssh_key_name: str | None = None
    username: str | None = None
    password: str | None = None
    user_data: str | None = None
    tags: NewTags | None = None
    app_config: dict[str, Any] | None = None
    ddos_profile: NewProfile | None = None

    def order(self, ssh_key_id: str | None) -> InstanceOrder:
        """Say it in the rules' words; raises Invalid."""
        return InstanceOrder(
            flavor_id=self.flavor,
            name=self.name,
            name_template=self.name_template,
            volumes=[self._installed()],
            interfaces=[interface.ordered() for interface in self.interfaces],
            tags=validate_tags(self.tags or {}),
            ssh_key_id=ssh_key_id,
            username=self.username or None,
            password=self.password or None,
            user_data=self.user_data or None,
            configuration=self.app_config,
        )

    def _installed(self) -> NewVolume:
        if (self.image_id is None) == (self.apptemplate_id is None):
            raise invalid(image_id="Give either image_id or apptemplate_id")
        if self.image_id is not None:
            return NewVolume(source=Source.IMAGE, source_id=self.image_id)
        return NewVolume(source=Source.APPTEMPLATE, source_id=self.apptemplate_id)


class ServerView(Struct, kw_only=True):
    """A bare metal server; `task_id` is the task that holds it now, `creator_task_id` the one that made it."""

    id: str
    name: str
    status: str
    vm_state: str
    task_state: str | None
    flavor: FlavorView
    addresses: dict[str, list[AddressView]]
    fixed_ip_assignments: list[FixedIpAssignment] | None
    ssh_key_name: str | None
    tags: list[TagView]
    blackhole_ports: list[BlackholePortView]
    ddos_profile: DdosProfileView | None
    instance_isolation: Isolation | None
    region: str
    region_id: int
    project_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str

    @classmethod
    def of(cls, view: InstanceView) -> "ServerView":
        """Show of an instance what a server has."""
        return cls(**{name: getattr(view, name) for name in cls.__struct_fields__})


class LegacyServerView(ServerView, kw_only=True):
    """A bare metal server with all that older clients read of instances."""

    instance_description: str | None
    volumes: list[InstanceVolume]
    security_groups: list[InstanceSecurityGroup]
    instance_id: str
    instance_name: str
    instance_created: str
    keypair_name: str | None
    metadata: dict[str, str]
    metadata_detailed: list[TagView]


class ActOnServer(Struct, kw_only=True):
    """What to do to a server's power; `activate_profile` tells whether a start turns DDoS protection on again."""

    action: Literal["reboot", "reboot_hard", "start", "stop"]
    activate_profile: bool | None = True


class RebuildServer(Struct, kw_only=True):
    """The image to install, by default the one that was; and what the server is told at its first start, in base64."""

    image_id: str | None = None
    user_data: str | None = None


class AskServerFlavors(Struct, kw_only=True):
    """What a server would be made from."""

    image_id: str | None = None
    apptemplate_id: str | None = None


class CheckServerLimits(Struct, kw_only=True):
    """What a bare metal server, or several, would need."""

    flavor: str | None = None
    names: list[str] = field(default_factory=list)
    name_templates: list[str | None] = field(default_factory=list)
    interfaces: list[CountedInterface] = field(default_factory=list)


class ServerCapacity(Struct, kw_only=True):
    """How many more servers of each flavor could be made, by its id; nothing is reserved for anybody."""

    capacity: dict[str, int]
    reserved_capacity: dict[str, int]
