"""Bodies of requests about images. An absent field is UNSET if absence and null differ, else None."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from pileus.api.wire.constraints import Description, Name, Uuid
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.api.wire.tags import TagChanges
from pileus.domain.compute.images import UNKNOWN_OS, ImagePatch, NewImage
from pileus.domain.errors import invalid
from pileus.domain.tags import validate_tags

Architecture = Literal["aarch64", "x86_64"]
Firmware = Literal["bios", "uefi"]
MachineType = Literal["i440", "q35"]
OsType = Literal["linux", "windows"]
SshKey = Literal["allow", "deny", "required"]


class _NewImage(CreateTaggedResource, kw_only=True):
    name: Name
    architecture: Architecture = "x86_64"
    os_type: OsType = "linux"
    ssh_key: SshKey = "allow"
    hw_firmware_type: Firmware | None = None
    hw_machine_type: MachineType | None = None
    is_baremetal: bool = False

    def to_new_image(self) -> NewImage:
        """Return the image to create. Raises Invalid for its tags."""
        return NewImage(
            name=self.name,
            os_type=self.os_type,
            architecture=self.architecture,
            ssh_key=self.ssh_key,
            is_baremetal=self.is_baremetal,
            hw_firmware_type=self.hw_firmware_type,
            hw_machine_type=self.hw_machine_type,
            tags=self.effective_tags(),
        )


class CreateImageFromVolume(_NewImage, kw_only=True):
    """An image to create from a volume."""

    volume_id: Uuid
    source: Literal["volume"] = "volume"


class DownloadImage(_NewImage, kw_only=True):
    """An image to download; one of `cow_format` cannot be deleted while volumes created from it exist."""

    url: Annotated[str, Meta(min_length=1, max_length=4096)]
    os_distro: Description | None = None
    os_version: Description | None = None
    cow_format: bool = False

    def to_new_image(self) -> NewImage:
        """Return the image to create. Raises Invalid for its tags."""
        return replace(
            super().to_new_image(),
            os_distro=self.os_distro or UNKNOWN_OS,
            os_version=self.os_version or UNKNOWN_OS,
            cow_format=self.cow_format,
        )

    def require_valid_url(self) -> str:
        """Return the URL. Raises Invalid unless it is a plain http or https URL without credentials."""
        try:
            parts = urlsplit(self.url)
            complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            complete = False
        if not complete or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise invalid(url="Input should be an address that begins with http:// or https://")
        if "@" in parts.netloc:
            raise invalid(url="An address with a user's name or a password in it is not taken")
        return self.url


class UpdateImage(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of an image: an absent field does not change; tags cannot be null."""

    name: Name | UnsetType = UNSET
    os_type: OsType | UnsetType = UNSET
    ssh_key: SshKey | UnsetType = UNSET
    is_baremetal: bool | UnsetType | None = UNSET
    hw_firmware_type: Firmware | UnsetType = UNSET
    hw_machine_type: MachineType | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def to_patch(self) -> ImagePatch:
        """Return the fields that were sent. Raises Invalid for tags."""
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


class ImagePriceRequest(Struct, kw_only=True):
    """The size of an image in bytes."""

    size: Annotated[int, Meta(ge=0, le=2**63 - 1)]
