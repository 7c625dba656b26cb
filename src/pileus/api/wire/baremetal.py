"""Bare metal servers in request bodies."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pileus.api.wire.constraints import Name, NameTemplate, Uuid
from pileus.api.wire.interfaces import NewInterface
from pileus.api.wire.tags import NewTags
from pileus.domain.errors import invalid
from pileus.domain.orders import NewVolume, Order, Source
from pileus.domain.tags import checked


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

    def order(self, ssh_key_id: str | None) -> Order:
        """Say it in the rules' words; raises Invalid."""
        return Order(
            flavor_id=self.flavor,
            name=self.name,
            name_template=self.name_template,
            volumes=[self._installed()],
            interfaces=[interface.ordered() for interface in self.interfaces],
            tags=checked(self.tags or {}),
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
