"""Images."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from pileus.domain.compute.images import Image, ImageStatus
from pileus.domain.errors import Conflict
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.scoped import IN_PLACE, place_parameters

KIND = "image"
TABLE = Table("images", Image)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, remove = TABLE.add, TABLE.remove
VISIBLE = f"({IN_PLACE}) OR (project_id IS NULL AND region_id = :region_id AND visibility = 'public' AND retired = 0)"
"""Images without a project belong to the catalogue."""
INSTALLING = (
    "status IN ('BUILD', 'REBUILD') AND EXISTS (SELECT 1 FROM tags t WHERE t.resource_id = instances.id"
    " AND t.key = 'image_id' AND t.value = :image_id AND t.read_only = 1)"
)
BY_ORDER = "CASE WHEN display_order IS NULL THEN 1 ELSE 0 END, display_order, created_at DESC, id"


class ImageFilter(Struct, frozen=True, kw_only=True):
    """Filters of the images that a place may use; None and False add no condition."""

    own: bool = False
    baremetal: bool | None = None
    visibility: str | None = None
    private: bool = False
    name: str | None = None
    architecture: str | None = None
    os_distro: str | None = None
    os_version: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where(IN_PLACE if self.own else VISIBLE, **place_parameters(place))
        where.equal("is_baremetal", None if self.baremetal is None else int(self.baremetal))
        if self.private:
            where.add("visibility = 'private'")
        where.equal("visibility", self.visibility).equal("architecture", self.architecture).contains("name", self.name)
        where.equal_ignoring_case("os_distro", self.os_distro).equal_ignoring_case("os_version", self.os_version)
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, image_id: str) -> Image:
    """Return an image that a place may use; raises NotFound."""
    return await scoped.get(tx, TABLE, "Image", place, image_id, visible=VISIBLE)


async def get_own(tx: Tx, place: Place, image_id: str) -> Image:
    """Return an image that a place owns; raises NotFound, or Forbidden for one that it may only use."""
    return (await get(tx, place, image_id)).require_owned_by(place)


async def page(tx: Tx, place: Place, filters: ImageFilter, *, limit: int, offset: int) -> tuple[int, list[Image]]:
    """Return the number of matching images and one page of them, in the catalogue's display order."""
    return await queries.page(tx, TABLE, filters.where(place), BY_ORDER, limit=limit, offset=offset)


async def save(tx: Tx, before: Image, after: Image) -> Image:
    """Write the changed fields; raises Stale.

    Billing: a new size closes the usage of the old one.
    """
    if before.size != after.size:
        await metering.save_usage_until_now(tx, [before], after.updated_at)
    return await TABLE.save(tx, before, after)


async def lock_for_use(tx: Tx, image: Image) -> None:
    """Lock an image against deletion until the transaction ends; raises Conflict if it is not active."""
    lock = "UPDATE images SET status = status WHERE id = :id AND status = :active"
    if image.client_id is not None and not await tx.run(lock, id=image.id, active=ImageStatus.ACTIVE.value):
        raise Conflict(f"Image {image.id} is not active")


async def find_dependent_resource(tx: Tx, image: Image) -> str | None:
    """Return a resource that still needs an image, as `volume <id>` or `instance <id>`, or None.

    Needed is what is being created from it, and any of its volumes if the image is one of `cow_format`.
    """
    creating = "" if image.cow_format else " AND status = 'creating'"
    place_values = {"region_id": image.region_id, "client_id": image.client_id, "project_id": image.project_id}
    statements = {
        "volume": f"SELECT id FROM volumes WHERE {IN_PLACE} AND image_id = :image_id{creating} LIMIT 1",
        "instance": f"SELECT id FROM instances WHERE {IN_PLACE} AND {INSTALLING} LIMIT 1",
    }
    for noun, statement in statements.items():
        if row := await tx.one(statement, image_id=image.id, **place_values):
            return f"{noun} {row[0]}"
    return None
