"""Bodies of requests about instances. An absent field is UNSET if absence and null differ, else None."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pileus.api.wire.constraints import (
    AttachmentTag,
    Name,
    NameTemplate,
    Number,
    Size,
    SnapshotVolumeType,
    Uuid,
    VolumeType,
    at_most_properties,
)
from pileus.api.wire.legacy import CreateTaggedResource, LegacyInput
from pileus.api.wire.network.interface_requests import NewInterface, SecurityGroupIds
from pileus.api.wire.patches import UpdateResource
from pileus.api.wire.storage.new_volumes import make_new_volume
from pileus.domain import limits
from pileus.domain.compute import instance_orders
from pileus.domain.compute.instance_orders import InstanceOrder
from pileus.domain.compute.instances import PowerAction
from pileus.domain.errors import Invalid
from pileus.domain.patches import ResourcePatch

AtMostOne = Meta(max_length=1)
AppConfiguration = Annotated[dict[str, Any], at_most_properties(limits.APP_CONFIGURATION)]
Username = Annotated[str, Meta(max_length=limits.USERNAME.value)]
UserData = Annotated[str, Meta(max_length=limits.USER_DATA_TEXT)]
NO_NAME_OR_TAGS = "To update an instance you need to specify a name or tags"


class UpdateInstance(UpdateResource, kw_only=True):
    """A JSON merge patch (RFC 7386) of a name, tags or both: an absent field does not change; tags can be null."""

    def to_patch(self) -> ResourcePatch:
        """Return the fields that were sent, with valid tags. Raises Invalid, also if no field was sent."""
        patch = super().to_patch()
        if not patch:
            raise Invalid(NO_NAME_OR_TAGS)
        return patch


class _NewVolume(CreateTaggedResource, kw_only=True, tag_field="source"):
    name: Name | None = None
    boot_index: Number | None = None
    delete_on_termination: bool = False
    attachment_tag: AttachmentTag | None = None

    def to_new_volume(self) -> instance_orders.NewVolume:
        """Return the volume to create. Raises Invalid for its tags."""
        return make_new_volume(self, self.effective_tags())


class NewBlankVolume(_NewVolume, kw_only=True, tag="new-volume"):
    """A new, empty volume of `size` GiB."""

    size: Size
    type_name: VolumeType = "standard"


class NewVolumeFromImage(_NewVolume, kw_only=True, tag="image"):
    """A new volume with the content of an image."""

    image_id: Uuid
    size: Size | None = None
    type_name: VolumeType = "standard"


class NewVolumeFromSnapshot(_NewVolume, kw_only=True, tag="snapshot"):
    """A new volume with the content of a snapshot."""

    snapshot_id: Uuid
    size: Size
    type_name: SnapshotVolumeType | None = None


class NewVolumeFromAppTemplate(_NewVolume, kw_only=True, tag="apptemplate"):
    """A new volume with the image of an app template."""

    apptemplate_id: str
    size: Size | None = None
    type_name: VolumeType = "standard"


class ExistingVolume(_NewVolume, kw_only=True, tag="existing-volume"):
    """An existing volume that is not attached."""

    volume_id: Uuid


NewVolume = NewBlankVolume | NewVolumeFromImage | NewVolumeFromSnapshot | NewVolumeFromAppTemplate | ExistingVolume


class CreateMachine(CreateTaggedResource, kw_only=True):
    """What an instance and a bare metal server are created from; each name has an older one."""

    flavor: str
    name: Name | None = None
    name_template: NameTemplate | None = None
    ssh_key_name: str | None = None
    username: Username | None = None
    password: str | None = None
    user_data: UserData | None = None
    names: LegacyInput[Annotated[list[Name], AtMostOne]] = None
    name_templates: LegacyInput[Annotated[list[NameTemplate], AtMostOne]] = None
    keypair_name: LegacyInput[str] = None

    def effective_name(self) -> str | None:
        """Return the name from either of its fields."""
        return self.name or next(iter(self.names or ()), None)

    def effective_name_template(self) -> str | None:
        """Return the name template from either of its fields."""
        return self.name_template or next(iter(self.name_templates or ()), None)

    def effective_ssh_key_name(self) -> str | None:
        """Return the name of the SSH key from either of its fields."""
        return self.ssh_key_name or self.keypair_name or None


class CreateInstance(CreateMachine, kw_only=True):
    """An instance to create; older clients send `names`, `name_templates`, `keypair_name` and `metadata`."""

    interfaces: Annotated[list[NewInterface], Meta(min_length=1, max_length=limits.INSTANCE_INTERFACES.value)]
    volumes: Annotated[list[NewVolume], Meta(min_length=1, max_length=limits.INSTANCE_VOLUMES.value)]
    security_groups: LegacyInput[SecurityGroupIds] = None
    servergroup_id: Uuid | None = None
    configuration: AppConfiguration | None = None
    allow_app_ports: bool = False

    def to_order(self) -> InstanceOrder:
        """Return the order; empty text counts as absent. Raises Invalid for tags."""
        return InstanceOrder(
            flavor_id=self.flavor,
            name=self.effective_name(),
            name_template=self.effective_name_template(),
            volumes=[volume.to_new_volume() for volume in self.volumes],
            interfaces=[interface.to_new_interface() for interface in self.interfaces],
            security_group_ids=[group.id for group in self.security_groups or ()],
            tags=self.effective_tags(),
            ssh_key_name=self.effective_ssh_key_name(),
            placement_group_id=self.servergroup_id,
            username=self.username or None,
            password=self.password or None,
            user_data=self.user_data or None,
            configuration=self.configuration,
        )


class InstancePowerActionRequest(Struct, kw_only=True):
    """A power action; a start also activates the DDoS profiles, unless `activate_profile` is false."""

    action: PowerAction
    activate_profile: bool | None = True


class StartInstance(Struct, frozen=True, kw_only=True):
    """Options of a start: whether it activates the DDoS profiles."""

    activate_profile: bool = True


class PortSecurityGroupNames(Struct, kw_only=True):
    """Names of security groups for a port, or for all ports if `port_id` is absent."""

    port_id: str | None = None
    security_group_names: Annotated[list[str], Meta(max_length=limits.PORT_SECURITY_GROUPS.value)]


class ChangeSecurityGroups(Struct, kw_only=True):
    """Security groups to add or remove: `name` for all ports, or others for single ports."""

    name: str | None = None
    ports_security_group_names: (
        Annotated[list[PortSecurityGroupNames], Meta(max_length=limits.INSTANCE_INTERFACES.value)] | None
    ) = None

    def group_names_by_port(self) -> list[tuple[str | None, list[str]]]:
        """Return pairs of a port id, None for all ports, and names of security groups."""
        for_all: list[tuple[str | None, list[str]]] = [(None, [self.name])] if self.name else []
        return for_all + [
            (entry.port_id, entry.security_group_names) for entry in self.ports_security_group_names or ()
        ]


class PutIntoPlacementGroup(Struct, kw_only=True):
    """The placement group to put an instance into."""

    servergroup_id: Uuid
