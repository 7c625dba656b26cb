"""Regions and their capabilities."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

NUMBER_TEXT = r"^[+-]?[0-9]+(\.[0-9]+)?$"


class Coordinate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A geographic position; degrees as text."""

    latitude: Annotated[str, Meta(pattern=NUMBER_TEXT)]
    longitude: Annotated[str, Meta(pattern=NUMBER_TEXT)]


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region. Regions are part of the catalogue; tenants cannot create them.

    `driver` provides its resources: None stands for the driver of the server's settings. `driver_options` replace
    settings of the driver in this region. `cell` is the cell whose database has the resources.
    """

    id: Annotated[int, Meta(ge=1)]
    display_name: str
    slug: str
    keystone_name: str
    keystone_id: int
    state: Literal["ACTIVE", "DELETED", "DELETING", "DELETION_FAILED", "INACTIVE", "MAINTENANCE", "NEW"] = "ACTIVE"
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    zone: Literal["AMERICAS", "APAC", "EMEA", "RUSSIA_AND_CIS"] | None = None
    coordinates: Coordinate | None = None
    created_at: int
    access_level: Literal["core", "edge"] = "core"
    endpoint_type: Literal["admin", "internal", "public"] = "public"
    vlan_physical_network: str
    cell: Annotated[int, Meta(ge=0, le=65535)] = 0
    driver: Annotated[str, Meta(min_length=1)] | None = None
    driver_options: dict[str, Any] = field(default_factory=dict)
    metrics_database_id: int | None = None
    ddos_endpoint_id: int | None = None
    available_volume_types: list[str] = field(default_factory=list)
    file_share_types: list[Literal["standard", "vast"]] = field(default_factory=list)
    has_ai: bool = False
    has_ai_gpu: bool = False
    has_baremetal: bool = False
    has_basic_vm: bool = False
    has_dbaas: bool = False
    has_ddos: bool = False
    has_k8s: bool = False
    has_kvm: bool = True
    has_sfs: bool = False

    @property
    def task_id(self) -> None:
        """Always None: the API keeps the field from the time when tasks created regions."""
        return
