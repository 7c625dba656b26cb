"""What clients send about images. An absent field is UNSET where absence and null differ, else None."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.tags import NewTags, TagChanges
from pileus.domain.compute.images import ImagePatch
from pileus.domain.errors import invalid
from pileus.domain.tags import validate_tags

Architecture = Literal["aarch64", "x86_64"]
Firmware = Literal["bios", "uefi"]
MachineType = Literal["i440", "q35"]
OsType = Literal["linux", "windows"]
SshKey = Literal["allow", "deny", "required"]


class _NewImage(Struct, kw_only=True):
    name: Name
    architecture: Architecture = "x86_64"
    os_type: OsType = "linux"
    ssh_key: SshKey = "allow"
    hw_firmware_type: Firmware | None = None
    hw_machine_type: MachineType | None = None
    is_baremetal: bool = False
    tags: NewTags | None = None


class CreateImage(_NewImage, kw_only=True):
    """An image to be made of a volume."""

    volume_id: Uuid
    source: Literal["volume"] = "volume"


class DownloadImage(_NewImage, kw_only=True):
    """An image to be fetched from an address; `cow_format` lets the volumes made of it keep it from being deleted."""

    url: Annotated[str, Meta(min_length=1, max_length=4096)]
    os_distro: str | None = None
    os_version: str | None = None
    cow_format: bool = False

    def address(self) -> str:
        """Where the image is; raises Invalid for what is no address of the web."""
        try:
            parts = urlsplit(self.url)
            whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            whole = False
        if not whole or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise invalid(url="Input should be an address that begins with http:// or https://")
        if "@" in parts.netloc:
            raise invalid(url="An address with a user's name or a password in it is not taken")
        return self.url


class UpdateImage(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of an image: what is absent stays; unlike elsewhere, tags may not be null."""

    name: Name | UnsetType = UNSET
    os_type: OsType | UnsetType = UNSET
    ssh_key: SshKey | UnsetType = UNSET
    is_baremetal: bool | UnsetType | None = UNSET
    hw_firmware_type: Firmware | UnsetType = UNSET
    hw_machine_type: MachineType | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def patch(self) -> ImagePatch:
        """Keep the fields that were sent, tags checked; raises Invalid."""
        if self.tags is None:
            raise invalid(tags="Input should be an object: {} changes nothing, and a value of null removes a tag")
        patch = ImagePatch()
        for name in ("name", "os_type", "ssh_key", "is_baremetal", "hw_firmware_type", "hw_machine_type"):
            value = getattr(self, name)
            if value is not UNSET and value is not None:
                patch[name] = value
        if self.tags is not UNSET:
            patch["tags"] = validate_tags(self.tags)
        return patch


class PriceImage(Struct, kw_only=True):
    """The size of an image that would be kept, in bytes."""

    size: Annotated[int, Meta(ge=0, le=2**63 - 1)]
