"""Flavors: the sizes of virtual machines, bare metal and GPU servers."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct, field

from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import InstanceKind

Positive = Annotated[int, Meta(gt=0)]


class Flavor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A size of servers; `ram` in MiB, `disk` in GiB (the boot disk of a shared flavor); `hardware` is a description.

    `quotas` overrides what one server counts against the tenant's quotas.
    """

    id: str
    kind: InstanceKind = InstanceKind.VM
    vcpus: Positive
    ram: Positive
    disk: Positive | None = None
    os_type: str = "linux"
    architecture: str = "x86_64"
    resource_class: str | None = None
    hardware: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    price_per_hour: Decimal | None = None
    disabled: bool = False

    @property
    def is_shared_vm(self) -> bool:
        """Return whether the flavor is shared."""
        return "-shared-" in self.id

    @property
    def hardware_description(self) -> dict[str, str]:
        """The hardware in words. A virtual machine is described by its RAM and vCPUs."""
        return self.hardware or {"ram": str(self.ram), "vcpus": str(self.vcpus)}

    @property
    def quota_counts_per_server(self) -> dict[str, int]:
        """Return the usage of quotas by one server."""
        if self.quotas:
            return self.quotas
        if self.kind == InstanceKind.VM:
            return (
                {"shared_vm_count": 1}
                if self.is_shared_vm
                else {"vm_count": 1, "cpu_count": self.vcpus, "ram": self.ram}
            )
        return {"baremetal_basic_count": 1} if self.kind == InstanceKind.BAREMETAL else {"gpu_count": 1}


def boot_misfit_reason(flavor: Flavor, image: Image | None, template: AppTemplate | None = None) -> str | None:
    """Return why an image, or the app template on it, cannot boot on a flavor; None if it can."""
    if image is None:
        return None
    prefix = f"Flavor {flavor.id} has"
    ram = max(image.min_ram, template.min_ram if template else 0)
    if flavor.ram < ram:
        return f"{prefix} {flavor.ram} MiB of RAM: image {image.name} needs {ram}"
    if template and template.min_vcpus and flavor.vcpus < template.min_vcpus:
        return f"{prefix} {flavor.vcpus} vCPUs: {template.display_name} needs {template.min_vcpus}"
    if (image.os_type, image.architecture) != (flavor.os_type, flavor.architecture):
        image_platform, flavor_platform = (
            f"{image.os_type} on {image.architecture}",
            f"{flavor.os_type} on {flavor.architecture}",
        )
        return f"Image {image.name} is {image_platform}, flavor {flavor.id} is for {flavor_platform}"
    if image.is_baremetal != (flavor.kind != InstanceKind.VM):
        return f"Image {image.name} is {'' if image.is_baremetal else 'not '}for bare metal servers"
    return None
