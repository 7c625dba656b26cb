"""Images that an earlier call has begun to make from a volume. No recording takes as long."""

from collections import deque
from typing import Any

import pytest

from pileus.drivers.openstack.images import CHECKSUM, GlanceImages
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import NotYetDone
from pileus.drivers.protocols.images import ImageSource, StoredImage

Json = dict[str, Any]
UNUSED: Any = None
FROM_VOLUME = ImageSource(volume_id="data")


class Cloud:
    """A volume and the images made from it. Each look at an image goes one moment on, until the last one.

    A moment is the statuses of the volume and of the image; GONE is an image that OpenStack has deleted.
    """

    def __init__(self, *moments: tuple[str, str]) -> None:
        self.moments = deque(moments)
        self.images: dict[str, Json] = {}
        self.orders = 0

    async def get(self, service: str, path: str, **_params: str) -> Json:
        """Return the list of images or of volumes, or the volume."""
        if service == "image":
            return {"images": [self._look(engine_id) for engine_id in self.images]}
        volume = {"id": "v", "name": engine_name("data"), "created_at": "", "status": self.moments[0][0]}
        return {"volumes": [volume]} if path.endswith("/detail") else {"volume": volume}

    async def find(self, _service: str, path: str) -> Json | None:
        """Return an image, or None."""
        if len(self.moments) > 1:
            self.moments.popleft()
        engine_id = path.rpartition("/")[2]
        return self._look(engine_id) if self.moments[0][1] != "GONE" else None

    async def post(self, _service: str, _path: str, _body: Json) -> Json:
        """Let a volume be copied to a new image."""
        self.orders += 1
        engine_id = f"i{self.orders}"
        self.add(engine_id)
        return {"os-volume_upload_image": {"image_id": engine_id}}

    async def delete(self, _service: str, path: str) -> None:
        """Delete an image."""
        del self.images[path.rpartition("/")[2]]

    def add(self, engine_id: str, **fields: str) -> None:
        """Add an image."""
        self.images[engine_id] = {"id": engine_id, "size": 1, "disk_format": "raw"} | fields

    def _look(self, engine_id: str) -> Json:
        return self.images[engine_id] | {"status": self.moments[0][1]}


def images_in(cloud: Cloud, slot_timeout: float = 60) -> GlanceImages:
    connection: Any = cloud
    waits = Waits(OpenstackSettings(poll_interval=0, slot_timeout=slot_timeout))
    return GlanceImages(connection, waits, CinderVolumes(connection, waits, UNUSED), DownloadLimits())


async def ensure_image(cloud: Cloud, slot_timeout: float = 60) -> StoredImage:
    return await images_in(cloud, slot_timeout).ensure_image("web", FROM_VOLUME, UNUSED)


async def test_an_image_stays_while_its_volume_is_exported_for_longer_than_a_slot() -> None:
    exported = ("uploading", "queued")
    cloud = Cloud(exported, exported, exported, ("uploading", "saving"), ("available", "active"))
    cloud.add("i1")

    with pytest.raises(NotYetDone):
        await ensure_image(cloud, slot_timeout=-1)
    stored = await ensure_image(cloud)

    assert (stored.size, cloud.orders, list(cloud.images)) == (1, 0, ["i1"])


@pytest.mark.parametrize("abandoned", [["GONE"], ["queued", "queued"]])
async def test_an_image_that_openstack_has_given_up_is_made_again(abandoned: list[str]) -> None:
    cloud = Cloud(("uploading", "saving"), *(("available", status) for status in abandoned), ("available", "active"))
    cloud.add("i0")

    await ensure_image(cloud)

    assert (cloud.orders, list(cloud.images)) == (1, ["i1"])


async def test_a_queued_image_of_a_download_is_not_waited_for() -> None:
    cloud = Cloud(("uploading", "queued"), ("available", "active"))
    cloud.add("i0", **{CHECKSUM: "0"})

    assert await images_in(cloud)._find_active("web", "data") is None  # noqa: SLF001  # a download needs a server
