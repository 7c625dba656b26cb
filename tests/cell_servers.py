"""Servers of the cells of a cloud, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pileus.app import RunningCloud
from pileus.domain.catalogue import derive_public_image_id
from tests.app_settings import checked_settings
from tests.listening_clouds import run_listening_cloud
from tests.orders import an_order, boot
from tests.regions.clouds import SMALL, catalogue_text
from tests.servers import KEY


@dataclass(slots=True)
class CellServer:
    """A server of a cell, and a client with the operator's key."""

    cloud: RunningCloud
    api: httpx.AsyncClient

    async def count(self, statement: str) -> int:
        """Return the number that a statement selects in the database of the cell."""
        async with self.cloud.app_state.db.read() as tx:
            row = await tx.one(statement)
        return int(row[0]) if row else 0

    async def create(self, project_id: int, region_id: int, **changes: Any) -> str:
        """Create an instance and return its id."""
        answer = await self.order(project_id, region_id, **changes)
        assert answer.status_code == 200, answer.text
        task = await self.wait(answer.json()["tasks"][0])
        assert task["state"] == "FINISHED", task["error"]
        return str(task["created_resources"]["instances"][0])

    async def order(self, project_id: int, region_id: int, **changes: Any) -> httpx.Response:
        """Send a request for an instance."""
        volumes = [boot(image_id=derive_public_image_id(region_id, "ubuntu-22.04-x64"))]
        order = an_order(volumes=volumes, flavor=SMALL, **changes)
        return await self.api.post(f"/cloud/v2/instances/{project_id}/{region_id}", json=order)

    async def wait(self, task_id: str) -> dict[str, Any]:
        """Wait until a task has ended, and return it."""
        while True:
            answer = await self.api.get(f"/cloud/v1/tasks/{task_id}")
            assert answer.status_code == 200, answer.text
            task: dict[str, Any] = answer.json()
            if task["state"] in ("FINISHED", "ERROR"):
                return task


@asynccontextmanager
async def run_cell(folder: Path, number: int, ports: list[int], urls: list[str]) -> AsyncIterator[CellServer]:
    """Run the server of one of the cells: region 1 is in cell 0, and region 2 in cell 1."""
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(catalogue_text({2: "cell = 1"}))
    settings = checked_settings(
        data=folder / str(number),
        database=urls[number],
        catalogue=str(catalogue),
        secrets_key=str(folder / "keys"),
        api_key=KEY,
        port=ports[number],
        cell=number,
        cells=",".join(f"{other}=http://127.0.0.1:{port}" for other, port in enumerate(ports)),
        tenants_database=(urls[0] or str(folder / "0")) if number else "",
    )
    async with run_listening_cloud(settings) as (cloud, api):
        yield CellServer(cloud, api)
