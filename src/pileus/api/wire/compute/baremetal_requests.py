"""Bodies of requests about bare metal servers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.account.price_requests import AtMostNames
from pileus.api.wire.account.quota_requests import PlannedInterface
from pileus.api.wire.compute.instance_requests import AppConfiguration, CreateMachine, UserData
from pileus.api.wire.constraints import Uuid
from pileus.api.wire.network.ddos_profile_requests import NewInterfaceDdosProfile
from pileus.api.wire.network.interface_requests import NewInterface
from pileus.domain import limits
from pileus.domain.compute.instance_orders import InstanceOrder, NewVolume, VolumeSource
from pileus.domain.compute.instances import InstanceKind


class CreateServer(CreateMachine, kw_only=True):
    """A bare metal server to create from an image or an app template; it has local disks and no volumes."""

    interfaces: Annotated[list[NewInterface], Meta(min_length=1, max_length=limits.BAREMETAL_INTERFACES.value)]
    image_id: Uuid | None = None
    apptemplate_id: str | None = None
    app_config: AppConfiguration | None = None
    ddos_profile: NewInterfaceDdosProfile | None = None

    def to_order(self) -> InstanceOrder:
        """Return the order; empty text counts as absent. Raises Invalid for tags."""
        return InstanceOrder(
            flavor_id=self.flavor,
            name=self.effective_name(),
            name_template=self.effective_name_template(),
            volumes=self._boot_sources(),
            interfaces=[interface.to_new_interface() for interface in self.interfaces],
            tags=self.effective_tags(),
            ssh_key_name=self.effective_ssh_key_name(),
            username=self.username or None,
            password=self.password or None,
            user_data=self.user_data or None,
            configuration=self.app_config,
            ddos_profile=None if self.ddos_profile is None else self.ddos_profile.to_new_profile(),
            kinds=(InstanceKind.BAREMETAL,),
        )

    def _boot_sources(self) -> list[NewVolume]:
        """Return what is to be installed; `check_baremetal_boot_source` refuses any number but one."""
        sources = {VolumeSource.IMAGE: self.image_id, VolumeSource.APPTEMPLATE: self.apptemplate_id}
        return [NewVolume(source=source, source_id=id_) for source, id_ in sources.items() if id_]


class ServerPowerActionRequest(Struct, kw_only=True):
    """A power action; a start also activates the DDoS profiles, unless `activate_profile` is false."""

    action: Literal["reboot", "reboot_hard", "start", "stop"]
    activate_profile: bool | None = True


class RebuildServer(Struct, kw_only=True):
    """The image to install, by default the present one; and user data for the first boot, in base64."""

    image_id: str | None = None
    user_data: UserData | None = None


class ListFlavorsForServer(Struct, kw_only=True):
    """The image or app template that a flavor must be able to boot."""

    image_id: str | None = None
    apptemplate_id: str | None = None


class ServerQuotaCheckRequest(Struct, kw_only=True):
    """One or more bare metal servers to check against the quotas."""

    flavor: str | None = None
    names: Annotated[list[str], AtMostNames] = field(default_factory=list)
    name_templates: Annotated[list[str | None], AtMostNames] = field(default_factory=list)
    interfaces: Annotated[list[PlannedInterface], AtMostNames] = field(default_factory=list)
