"""Resolve the names and ids in an order: SSH key, flavor, placement group, and the sources of its volumes."""

from collections.abc import Sequence

from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.compute.instance_orders import InstanceOrder, NewVolume, VolumeSource, source_ids_of_kind
from pileus.domain.compute.instance_plan import ResolvedOrder
from pileus.domain.context import Context
from pileus.domain.errors import Invalid, NotFound, invalid
from pileus.domain.storage.disks import VolumeSourceRecords
from pileus.domain.storage.volumes import Volume
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.services.compute.capacities import check_capacity
from pileus.services.compute.placement_groups import lock_placement_group_for_new_member
from pileus.store import tags
from pileus.store.compute import images, ssh_keys
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes


async def resolve_order_references(tx: Tx, ctx: Context, drivers: RegionDrivers, order: InstanceOrder) -> ResolvedOrder:
    """Look up all that an order refers to, and lock its sources. Raises NotFound, Invalid, Conflict or NoCapacity.

    A region without capacity for the flavor refuses the order before its other references are read.
    """
    ssh_key_id = await _find_ssh_key_id(tx, ctx, order.ssh_key_name)
    order.check_baremetal_boot_source()
    flavor = _require_flavor(ctx, order)
    await check_capacity(tx, ctx, drivers, flavor)
    if order.placement_group_id:
        await lock_placement_group_for_new_member(tx, ctx, order.placement_group_id)
    disks = await resolve_volume_sources(tx, ctx, order.volumes, unknown_image=Invalid)
    return ResolvedOrder(flavor=flavor, ssh_key_id=ssh_key_id, disks=disks)


async def resolve_volume_sources(
    tx: Tx, ctx: Context, new_volumes: Sequence[NewVolume], *, unknown_image: type[Invalid | NotFound] = NotFound
) -> VolumeSourceRecords:
    """Look up what new volumes are created from, and lock the images and snapshots.

    Raises NotFound, `unknown_image` or Conflict.
    """
    place, catalogue = ctx.place, ctx.catalogue
    existing = [
        await volumes.get(tx, place, volume_id) for volume_id in source_ids_of_kind(new_volumes, VolumeSource.EXISTING)
    ]
    taken = [
        await snapshots.get_for_use(tx, place, snapshot_id)
        for snapshot_id in source_ids_of_kind(new_volumes, VolumeSource.SNAPSHOT)
    ]
    origins = [volume for snapshot in taken if (volume := await volumes.find(tx, snapshot.volume_id))]
    template_ids = source_ids_of_kind(new_volumes, VolumeSource.APPTEMPLATE)
    templates = [template for template_id in template_ids if (template := catalogue.app_template(template_id))]
    image_ids = source_ids_of_kind(new_volumes, VolumeSource.IMAGE)
    image_ids += [derive_public_image_id(place.region_id, template.image_name) for template in templates]
    return VolumeSourceRecords(
        region_id=place.region_id,
        volume_types=catalogue.volume_types_by_name(ctx.require_region()),
        images=await _find_images(tx, ctx, image_ids, [*existing, *origins], unknown_image),
        snapshots={snapshot.id: snapshot for snapshot in taken},
        volumes={volume.id: volume for volume in (*existing, *origins)},
        app_templates={template.id: template for template in templates},
        tags={volume.id: await tags.list_by_resource(tx, volume.id) for volume in existing},
    )


async def _find_ssh_key_id(tx: Tx, ctx: Context, name: str | None) -> str | None:
    if not name:
        return None
    key = await ssh_keys.find_by_name(tx, ctx.place, ctx.caller.user_id, name)
    if key is None:
        raise NotFound(f"SSH key {name} could not be found")
    return key.id


def _require_flavor(ctx: Context, order: InstanceOrder) -> Flavor:
    flavor = ctx.catalogue.offered_flavor(order.flavor_id)
    if flavor is None or flavor.kind not in order.kinds:
        raise invalid(flavor=f"There is no flavor {order.flavor_id} for this kind of server")
    return flavor


async def _find_images(
    tx: Tx, ctx: Context, image_ids: list[str], existing: list[Volume], unknown_image: type[Invalid | NotFound]
) -> dict[str, Image]:
    """Return the images with these ids, locked, and those that the volumes were created from, if they still exist."""
    images_by_id: dict[str, Image] = {}
    for image_id in image_ids:
        try:
            images_by_id[image_id] = await images.get(tx, ctx.place, image_id)
        except NotFound:
            raise unknown_image(f"Image {image_id} not found") from None
    for image in images_by_id.values():
        await images.lock_for_use(tx, image)
    for volume in existing:
        if (
            volume.image_id
            and volume.image_id not in images_by_id
            and (origin := await images.find(tx, volume.image_id))
        ):
            images_by_id[origin.id] = origin
    return images_by_id
