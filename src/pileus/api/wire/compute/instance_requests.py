"""What clients send about instances. An absent field is UNSET where absence and null differ, else None."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.compute.instance_volumes import NewVolume
from pileus.api.wire.constraints import Name, NameTemplate, Uuid
from pileus.api.wire.network.interfaces import GroupId, NewInterface
from pileus.api.wire.tags import NewTags, TagChanges
from pileus.domain.compute.instance_orders import InstanceOrder
from pileus.domain.compute.instances import Action, InstancePatch
from pileus.domain.tags import validate_tags

AtMostOne = Meta(max_length=1)


class UpdateInstance(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386): what is absent stays; tags may be null."""

    name: Name | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> InstancePatch:
        """Keep the fields that were sent, tags checked; raises Invalid."""
        patch = InstancePatch()
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        return patch


class CreateInstance(Struct, kw_only=True):
    """An instance to make; `names`, `name_templates`, `keypair_name` and `metadata` are what older clients say."""

    flavor: str
    interfaces: Annotated[list[NewInterface], Meta(min_length=1)]
    volumes: Annotated[list[NewVolume], Meta(min_length=1)]
    name: Name | None = None
    name_template: NameTemplate | None = None
    ssh_key_name: str | None = None
    username: str | None = None
    password: str | None = None
    user_data: str | None = None
    security_groups: list[GroupId] | None = None
    servergroup_id: Uuid | None = None
    tags: NewTags | None = None
    configuration: dict[str, Any] | None = None
    allow_app_ports: bool = False
    names: Annotated[list[Name], AtMostOne] | None = None
    name_templates: Annotated[list[NameTemplate], AtMostOne] | None = None
    keypair_name: str | None = None
    metadata: NewTags | None = None

    def effective_name(self) -> str | None:
        """The name, if one was given, by whichever field."""
        return self.name or next(iter(self.names or ()), None)

    def effective_template(self) -> str | None:
        """The name template, if one was given, by whichever field."""
        return self.name_template or next(iter(self.name_templates or ()), None)

    def effective_ssh_key(self) -> str | None:
        """The name of the SSH key, if one was given, by whichever field."""
        return self.ssh_key_name or self.keypair_name or None

    def order(self, ssh_key_id: str | None) -> InstanceOrder:
        """Say it in the rules' words; empty text is as good as none. Raises Invalid for tags."""
        return InstanceOrder(
            flavor_id=self.flavor,
            name=self.effective_name(),
            name_template=self.effective_template(),
            volumes=[volume.ordered() for volume in self.volumes],
            interfaces=[interface.ordered() for interface in self.interfaces],
            security_group_ids=[group.id for group in self.security_groups or ()],
            tags=validate_tags(self.tags or self.metadata or {}),
            ssh_key_id=ssh_key_id,
            placement_group_id=self.servergroup_id,
            username=self.username or None,
            password=self.password or None,
            user_data=self.user_data or None,
            configuration=self.configuration,
        )


class ActOnInstance(Struct, kw_only=True):
    """What to do to an instance's power; `activate_profile` tells whether a start turns DDoS protection on again."""

    action: Action
    activate_profile: bool | None = True


class StartInstance(Struct, frozen=True, kw_only=True):
    """How to start an instance."""

    activate_profile: bool = True


class PortGroupNames(Struct, kw_only=True):
    """Security groups, by name, for a port; without a port for all."""

    port_id: str | None = None
    security_group_names: list[str]


class ChangeSecurityGroups(Struct, kw_only=True):
    """Security groups to add or take away: one for all ports by `name`, or some for some ports."""

    name: str | None = None
    ports_security_group_names: list[PortGroupNames] | None = None

    def by_port(self) -> list[tuple[str | None, list[str]]]:
        """Each port, None for all, with its groups."""
        named: list[tuple[str | None, list[str]]] = [(None, [self.name])] if self.name else []
        return named + [(entry.port_id, entry.security_group_names) for entry in self.ports_security_group_names or ()]


class PutIntoPlacementGroup(Struct, kw_only=True):
    """The placement group to enter."""

    servergroup_id: Uuid
