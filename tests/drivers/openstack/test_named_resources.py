"""Several processes that create the same resource at the same time: one of theirs stays."""

import asyncio
import io
import itertools
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pileus.drivers.openstack import named_resources
from pileus.drivers.openstack.cloud import OpenstackError
from pileus.drivers.openstack.images import GlanceImages
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.security_groups import NeutronSecurityGroups
from pileus.drivers.protocols.config import DownloadLimits
from pileus.drivers.protocols.errors import DriverError

KIND = NamedKind("network", "/networks", "network")
Json = dict[str, Any]
Pause = Callable[[], Awaitable[None]]


class Lists:
    """A service whose names are not unique. Its ages are whole seconds, as OpenStack's are."""

    def __init__(self, requests_per_second: int) -> None:
        self.items: dict[str, Json] = {}
        self.used: set[str] = set()
        self._requests, self._rate = itertools.count(), requests_per_second
        self.pause: Pause = lambda: asyncio.sleep(0)

    async def post(self, _service: str, _path: str, body: Json) -> Json:
        """Create a resource."""
        await self.pause()
        second = next(self._requests) // self._rate
        item = body["network"] | {"id": str(uuid.uuid4()), "created_at": f"2026-01-01T00:00:{second:02}Z"}
        self.items[item["id"]] = item
        await self.pause()
        return {"network": item}

    async def get(self, _service: str, _path: str, *, name: str, limit: str = "") -> Json:
        """List resources."""
        assert limit in {"", named_resources.MOST_RIVALS}
        await self.pause()
        return {"networks": [item for item in self.items.values() if item["name"] == name]}

    async def delete(self, _service: str, path: str) -> bool:
        """Delete a resource that nobody uses."""
        await self.pause()
        engine_id = path.rpartition("/")[2]
        if engine_id in self.used:
            raise OpenstackError("OpenStack: it is in use", 409)
        return self.items.pop(engine_id, None) is not None


async def ensure(resources: NamedResources) -> str:
    """Find or create the resource, as each process does; return its id in OpenStack."""
    network = await resources.find("web") or (await resources.create("web", {})).item
    return str(network["id"])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes look again soon after a tie."""
    monkeypatch.setattr(named_resources, "LEAST_PAUSE", 0.0)
    monkeypatch.setattr(named_resources, "MOST_PAUSE", 0.05)


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("requests_per_second", [1, 2, 60])
async def test_processes_that_create_a_resource_at_once_use_the_same_one(
    processes: int, requests_per_second: int
) -> None:
    lists: Any = Lists(requests_per_second)

    used = await asyncio.gather(*(ensure(NamedResources(lists, KIND)) for _ in range(processes)))

    assert set(lists.items) == set(used)
    assert len(lists.items) == 1


async def test_one_that_is_used_already_stays_although_it_is_younger() -> None:
    lists: Any = Lists(1)
    resources = NamedResources(lists, KIND)
    older = (await lists.post("network", "/networks", {"network": {"name": engine_name("web")}}))["network"]
    lists.used = set()

    async def use_all() -> None:
        lists.used = set(lists.items)

    lists.pause = use_all
    created = await resources.create("web", {})

    assert (created.item["id"], created.is_own) == (older["id"], False)
    assert len(lists.items) == 2


async def test_a_resource_is_deleted_with_those_that_dead_processes_have_left() -> None:
    lists: Any = Lists(1)
    for _ in range(2):
        await lists.post("network", "/networks", {"network": {"name": engine_name("web")}})

    await NamedResources(lists, KIND).delete_all("web")

    assert lists.items == {}


class Groups:
    """A network service where another process creates a group, and sets its rules, while this one creates its own."""

    def __init__(self, *, is_rival_older: bool) -> None:
        second = 0 if is_rival_older else 2
        self.rival = self._group("rival", f"2026-01-01T00:00:0{second}Z", "intended")
        self.own = self._group("own", "2026-01-01T00:00:01Z", "own 1", "own 2")
        self.items: list[Json] = []
        self.removed: list[str] = []

    async def get(self, _service: str, _path: str, **_params: str) -> Json:
        """List the groups: none at first."""
        return {"security_groups": self.items}

    async def post(self, _service: str, _path: str, _body: Json) -> Json:
        """Create a group."""
        self.items = [self.rival, self.own]
        return {"security_group": self.own}

    async def delete(self, _service: str, path: str) -> None:
        """Delete a group or a rule."""
        self.removed.append(path)
        self.items = [item for item in self.items if not path.endswith(f"/{item['id']}")]

    @staticmethod
    def _group(engine_id: str, created_at: str, *rules: str) -> Json:
        return {"id": engine_id, "created_at": created_at, "security_group_rules": [{"id": rule} for rule in rules]}


@pytest.mark.parametrize(
    ("is_rival_older", "used", "removed"),
    [
        (True, "rival", ["/security-groups/own"]),
        (False, "own", ["/security-group-rules/own 1", "/security-group-rules/own 2"]),
    ],
)
async def test_a_group_of_another_process_keeps_its_rules(
    is_rival_older: bool,  # noqa: FBT001  # a parameter
    used: str,
    removed: list[str],
) -> None:
    cloud: Any = Groups(is_rival_older=is_rival_older)

    assert await NeutronSecurityGroups(cloud).ensure_group_id("web") == used
    assert cloud.removed == removed


class Images(Groups):
    """The same for images."""

    def __init__(self) -> None:
        super().__init__(is_rival_older=True)

    async def get(self, _service: str, _path: str, **_params: str) -> Json:
        """List the images."""
        return {"images": self.items}

    async def post(self, _service: str, _path: str, _body: Json) -> Json:
        """Create an image."""
        self.items = [self.rival, self.own]
        return self.own


async def test_a_download_does_not_go_into_the_image_of_another_process() -> None:
    cloud: Any = Images()
    unused: Any = None
    images = GlanceImages(cloud, unused, unused, DownloadLimits())

    with pytest.raises(DriverError, match="Another process stores image web") as refused:
        await images._upload("web", {}, io.BytesIO())  # noqa: SLF001  # a download before it needs a server

    assert (refused.value.retryable, cloud.removed) == (True, ["/images/own"])
