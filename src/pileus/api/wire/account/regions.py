"""Regions as the API returns them."""

from typing import Literal

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.times import format_without_offset
from pileus.domain.account.regions import Region


class Coordinates(Struct, kw_only=True):
    """Geographic coordinates, as text."""

    latitude: str
    longitude: str


class RegionView(Struct, kw_only=True):
    """A region and its features."""

    id: int
    display_name: str
    keystone_name: str
    keystone_id: int
    slug: str
    state: Literal["ACTIVE", "DELETED", "DELETING", "DELETION_FAILED", "INACTIVE", "MAINTENANCE", "NEW"]
    task_id: str | None
    access_level: Literal["core", "edge"]
    endpoint_type: Literal["admin", "internal", "public"]
    country: str
    zone: Literal["AMERICAS", "APAC", "EMEA", "RUSSIA_AND_CIS"] | None
    coordinates: Coordinates | None
    external_network_id: str | None
    vlan_physical_network: str
    metrics_database_id: int | None
    ddos_endpoint_id: int | None
    available_volume_types: list[str] | None
    file_share_types: list[str] | None
    has_ai: bool
    has_ai_gpu: bool
    has_baremetal: bool
    has_basic_vm: bool
    has_dbaas: bool
    has_ddos: bool
    has_k8s: bool
    has_kvm: bool
    has_sfs: bool
    created_at: str
    created_on: str
    ai_service_endpoint_id: LegacyField[int | None]

    @classmethod
    def of(cls, region: Region, external_network_id: str | None, *, with_volume_types: bool = False) -> "RegionView":
        """Make the view of a region, with its volume types if `with_volume_types`."""
        point = region.coordinates
        return make_view(
            cls,
            region,
            coordinates=None if point is None else Coordinates(latitude=point.latitude, longitude=point.longitude),
            external_network_id=external_network_id,
            available_volume_types=region.available_volume_types if with_volume_types else None,
            file_share_types=list(region.file_share_types),
            created_at=format_without_offset(region.created_at),
            created_on=format_without_offset(region.created_at),
            ai_service_endpoint_id=None,
        )
