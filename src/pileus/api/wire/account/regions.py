"""Regions as the API returns them."""

from typing import Literal

from msgspec import Struct

from pileus.api.wire.times import naive
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

    @classmethod
    def of(cls, region: Region, external_network_id: str | None, *, with_volume_types: bool = False) -> "RegionView":
        """Make the view of a region, with its volume types if `with_volume_types`."""
        point = region.coordinates
        return cls(
            id=region.id,
            display_name=region.display_name,
            keystone_name=region.keystone_name,
            keystone_id=region.keystone_id,
            slug=region.slug,
            state=region.state,
            task_id=region.task_id,
            access_level=region.access_level,
            endpoint_type=region.endpoint_type,
            country=region.country,
            zone=region.zone,
            coordinates=None if point is None else Coordinates(latitude=point.latitude, longitude=point.longitude),
            external_network_id=external_network_id,
            vlan_physical_network=region.vlan_physical_network,
            metrics_database_id=region.metrics_database_id,
            ddos_endpoint_id=region.ddos_endpoint_id,
            available_volume_types=region.available_volume_types if with_volume_types else None,
            file_share_types=list(region.file_share_types),
            has_ai=region.has_ai,
            has_ai_gpu=region.has_ai_gpu,
            has_baremetal=region.has_baremetal,
            has_basic_vm=region.has_basic_vm,
            has_dbaas=region.has_dbaas,
            has_ddos=region.has_ddos,
            has_k8s=region.has_k8s,
            has_kvm=region.has_kvm,
            has_sfs=region.has_sfs,
            created_at=naive(region.created_at),
            created_on=naive(region.created_at),
        )
