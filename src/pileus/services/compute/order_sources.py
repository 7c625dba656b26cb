"""What the ids in an order lead to: the images, snapshots, volumes and app templates that a server is made from."""

from pileus.domain.catalogue import Catalogue, image_id
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import InstanceOrder, Source
from pileus.domain.places import Place
from pileus.domain.storage.disks import OrderSources
from pileus.domain.storage.volumes import Volume
from pileus.store import tags
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes


async def resolve_sources(tx: Tx, catalogue: Catalogue, place: Place, order: InstanceOrder) -> OrderSources:
    """Look up all that an order names; raises NotFound for the first that is not there for the tenant."""
    region = catalogue.region(place.region_id)
    taken = [await volumes.get(tx, place, each) for each in order.source_ids(Source.EXISTING)]
    frozen = [await snapshots.get(tx, place, each) for each in order.source_ids(Source.SNAPSHOT)]
    origins = [volume for each in frozen if (volume := await volumes.find(tx, each.volume_id))]
    named = [each for wanted in order.source_ids(Source.APPTEMPLATE) if (each := catalogue.app_template(wanted))]
    behind = [image_id(place.region_id, template.image_name) for template in named]
    return OrderSources(
        region_id=place.region_id,
        volume_types=catalogue.volume_types_of(region) if region else {},
        images=await _images(tx, place, [*order.source_ids(Source.IMAGE), *behind], [*taken, *origins]),
        snapshots={snapshot.id: snapshot for snapshot in frozen},
        volumes={volume.id: volume for volume in (*taken, *origins)},
        app_templates={template.id: template for template in named},
        tags={volume.id: await tags.of(tx, volume.id) for volume in taken},
    )


async def _images(tx: Tx, place: Place, wanted: list[str], made: list[Volume]) -> dict[str, Image]:
    """The images wanted, and those behind volumes as far as they still are there."""
    result = {each: await images.get(tx, place, each) for each in wanted}
    for one in result.values():
        await images.lock_for_use(tx, one)
    for volume in made:
        if volume.image_id and volume.image_id not in result and (image := await images.find(tx, volume.image_id)):
            result[image.id] = image
    return result
