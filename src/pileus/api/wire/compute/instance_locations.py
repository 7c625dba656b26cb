"""The place of an instance, as older clients read it."""

from msgspec import Struct

from pileus.domain.account.regions import Region
from pileus.domain.compute.instances import Instance


class InstanceLocation(Struct, kw_only=True):
    """An instance with its project and its region. The ids of both are texts."""

    id: str
    name: str
    project_id: str
    project_name: str
    region_id: str
    region_name: str
    client_id: int

    @classmethod
    def of(cls, instance: Instance, project_name: str, region: Region | None) -> "InstanceLocation":
        """Return the location of an instance. `region` is None if the catalogue has removed it."""
        return cls(
            id=instance.id,
            name=instance.name,
            project_id=str(instance.project_id),
            project_name=project_name,
            region_id=str(instance.region_id),
            region_name=region.display_name if region else "",
            client_id=instance.client_id,
        )
