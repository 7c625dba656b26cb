"""Builders of valid records. A test changes the fields that it is about."""

from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

import pileus
from pileus.domain.catalogue import Catalogue, derive_public_image_id, parse_catalogue
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import InstanceOrder, InterfaceType, NewInterface, NewVolume, VolumeSource
from pileus.domain.compute.instances import Instance
from pileus.domain.context import Context
from pileus.domain.network.networks import Subnet
from pileus.domain.places import Caller, Place
from pileus.domain.storage.disks import VolumeSourceRecords
from pileus.domain.storage.volumes import Snapshot, Volume, VolumeStatus

NOW = 1_700_000_000_000_000
PLACE = Place(10, 20, 1)
CALLER = Caller(client_id=10, user_id=5, email="me@example.org", token_id=3, role="Engineers")
TASK = "00000000-0000-4000-8000-00000000aaaa"
UBUNTU = derive_public_image_id(1, "ubuntu-22.04-x64")
WINDOWS = derive_public_image_id(1, "windows-server-2022-standard-x64")
IRONIC = derive_public_image_id(1, "ubuntu-22.04-x64-ironic")
OWN = {"client_id": 10, "project_id": 20, "region_id": 1, "created_at": NOW}
EXTERNAL = NewInterface(type=InterfaceType.EXTERNAL)


def catalogue_text() -> str:
    """Return the bundled catalogue as TOML."""
    return (Path(pileus.__file__).parent / "catalogue.toml").read_text(encoding="utf-8")


@cache
def the_catalogue() -> Catalogue:
    """The bundled catalogue."""
    return parse_catalogue(catalogue_text())


def an_instance(**changes: Any) -> Instance:
    """Return an active instance."""
    facts = {"id": "i-1", "name": "web", "flavor_id": "g1-standard-1-2", "status": "ACTIVE", "vm_state": "active"}
    return Instance(**{**facts, **OWN, "changed_at": NOW, **changes})


def a_volume(**changes: Any) -> Volume:
    """Return an available data volume of 20 GiB."""
    facts = {"id": "v-1", "name": "data", "size": 20, "status": VolumeStatus.AVAILABLE.value}
    return Volume(**{**facts, **OWN, "updated_at": NOW, **changes})


def a_snapshot(**changes: Any) -> Snapshot:
    """Return a snapshot of that volume."""
    facts = {"id": "s-1", "volume_id": "v-1", "name": "before", "size": 20}
    return Snapshot(**{**facts, **OWN, "updated_at": NOW, **changes})


def a_subnet(cidr: str = "10.0.0.0/29", **changes: Any) -> Subnet:
    """Return a small private subnet."""
    version = 6 if ":" in cidr else 4
    facts = {"id": cidr, "network_id": "n-1", "name": "inside", "cidr": cidr, "ip_version": version}
    return Subnet(**{**facts, **OWN, "updated_at": NOW, **changes})


def public_images() -> dict[str, Image]:
    """Return the catalogue's images, by id."""
    return {image.id: image for image in the_catalogue().public_image_records(1, NOW)}


def order_sources(**changes: Any) -> VolumeSourceRecords:
    """Return the records of the catalogue, and those that a test adds."""
    catalogue = the_catalogue()
    templates = {template.id: template for template in catalogue.app_templates}
    types = catalogue.volume_types_by_name(catalogue.regions[0])
    facts = {"region_id": 1, "volume_types": types, "images": public_images(), "app_templates": templates}
    return VolumeSourceRecords(**{**facts, **changes})


def image_volume(image: str = UBUNTU, **changes: Any) -> NewVolume:
    """Return a volume from an image."""
    return NewVolume(**{"source": VolumeSource.IMAGE, "source_id": image, **changes})


def blank_volume(**changes: Any) -> NewVolume:
    """Return an empty data volume of 5 GiB."""
    return NewVolume(**{"source": VolumeSource.NEW, "size": 5, **changes})


def an_order(*volumes: NewVolume, **changes: Any) -> InstanceOrder:
    """Return a small Linux server with a public address."""
    facts = {"flavor_id": "g1-standard-1-2", "name": "web", "interfaces": [EXTERNAL]}
    return InstanceOrder(**{**facts, "volumes": volumes or (image_volume(),), **changes})


def a_context() -> Context:
    """Ids are id-1, id-2 and so on."""
    ids = (f"id-{number}" for number in count(1))
    return Context(
        place=PLACE,
        caller=CALLER,
        catalogue=the_catalogue(),
        now=lambda: NOW,
        new_id=lambda: next(ids),
        new_ordered_id=lambda: next(ids),
        task_limit=20_000,
    )


def sources_with_image(**changes: Any) -> VolumeSourceRecords:
    """Return the records of the catalogue, with changes of the Ubuntu image."""
    images = public_images()
    return order_sources(images={**images, UBUNTU: replace(images[UBUNTU], **changes)})
