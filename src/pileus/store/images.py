"""Images."""

from msgspec.structs import replace

from pileus.domain.errors import not_found
from pileus.domain.images import Image
from pileus.domain.places import Place
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("images", Image)
VISIBLE = "region_id = :region_id AND (visibility = 'public' OR (client_id = :client_id AND project_id = :project_id))"


async def get(tx: Tx, place: Place, image_id: str) -> Image:
    """One image that a place may use; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        f"id = :id AND {VISIBLE}",
        id=image_id,
        region_id=place.region_id,
        client_id=place.client_id,
        project_id=place.project_id,
    )
    if found is None:
        raise not_found("Image", image_id)
    return found


async def put(tx: Tx, image: Image) -> None:
    """Write a public image of the catalogue: insert it, or bring the one that is there up to date."""
    found = await TABLE.find_one(tx, "id = :id", id=image.id)
    if found is None:
        await TABLE.add(tx, image)
        return
    same = replace(image, created_at=found.created_at, updated_at=found.updated_at, revision=found.revision)
    await TABLE.save(tx, found, same if same == found else replace(same, updated_at=image.updated_at))
