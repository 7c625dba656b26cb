"""Set-up of the OpenStack driver for the conformance suite. The settings come from the environment."""

from pathlib import Path

from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.names import PREFIX, machine_id_of
from pileus.drivers.openstack.octavia.changes import BALANCERS, SERVICE
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.protocols.config import DriverConfig
from pileus.testing.conformance.harnesses import DriverTestHarness, MissingRequirement

IMAGE = "debian-12-generic-x64"
"""The image of the catalogue that machines of the suite boot."""


class OpenstackTestHarness(DriverTestHarness):
    """The project of the settings is used for tests alone: all in it that has a name of Pileus is deleted."""

    def create(self, config: DriverConfig[OpenstackSettings]) -> Openstack:
        """Create the driver. Raises MissingRequirement without a cloud."""
        try:
            return Openstack(config)
        except OSError as problem:
            raise MissingRequirement(f"needs an OpenStack cloud: {problem}") from problem

    def provide_image(self, data: Path, image: Path | None) -> str:  # noqa: ARG002  # the image is in the cloud
        """Return the image of the catalogue, which the cloud has under its name."""
        return derive_public_image_id(1, IMAGE)

    async def clean_up(self, driver: Openstack) -> None:
        """Delete all that is left, what uses other things first, and close the driver."""
        try:
            await _delete_everything(driver)
        finally:
            driver.close()


async def _delete_everything(driver: Openstack) -> None:
    for floating_ip in await _list_own(driver, "network", "/floatingips", "floatingips"):
        await driver.ensure_no_floating_ip(floating_ip["description"].removeprefix(PREFIX))
    for server in (await driver.cloud.get("compute", "/servers/detail"))["servers"]:
        await driver.ensure_no_machine(machine_id_of(server) or "")
    if await driver.cloud.has_service(SERVICE):
        for balancer in await _list_own(driver, SERVICE, BALANCERS, "loadbalancers"):
            await driver.ensure_no_load_balancer(balancer["name"].removeprefix(PREFIX))
    deletions = {
        ("image", "/images", "images"): driver.ensure_no_image,
        ("block-storage", "/snapshots", "snapshots"): driver.ensure_no_snapshot,
        ("block-storage", "/volumes", "volumes"): driver.ensure_no_volume,
        ("network", "/routers", "routers"): driver.ensure_no_router,
        ("network", "/networks", "networks"): driver.ensure_no_network,
        ("network", "/security-groups", "security_groups"): driver.ensure_no_security_group,
    }
    for place, delete in deletions.items():
        for item in await _list_own(driver, *place):
            if (item["name"] or "").startswith(PREFIX):
                await delete(item["name"].removeprefix(PREFIX))


async def _list_own(driver: Openstack, service: str, path: str, kind: str) -> list[Json]:
    """Return the resources of a kind in the driver's project: an administrator gets those of all projects.

    The lists of Cinder are of one project anyway, and do not name it.
    """
    own = await driver.cloud.find_project_id()
    items: list[Json] = (await driver.cloud.get(service, path))[kind]
    return [item for item in items if item.get("project_id", item.get("owner", own)) == own]
