"""Images that volumes and servers are made from."""

from msgspec import Struct


class Image(Struct, frozen=True, kw_only=True):
    """One image; `size` in bytes, `min_disk` in GiB, `min_ram` in MiB; public ones have no tenant."""

    id: str
    client_id: int | None = None
    project_id: int | None = None
    region_id: int
    name: str
    description: str | None = None
    status: str = "active"
    visibility: str = "private"
    size: int | None = None
    min_disk: int = 0
    min_ram: int = 0
    os_distro: str
    os_type: str = "linux"
    os_version: str
    architecture: str = "x86_64"
    ssh_key: str | None = "allow"
    disk_format: str = "qcow2"
    display_order: int | None = None
    is_baremetal: bool = False
    hw_firmware_type: str | None = None
    hw_machine_type: str | None = None
    task_id: str | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1
