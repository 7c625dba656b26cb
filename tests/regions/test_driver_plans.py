"""Which drivers a catalogue needs, and what is wrong with the one that it names."""

from pathlib import Path
from typing import Any

import pytest

from pileus.app import run_cloud
from pileus.domain.catalogue import Catalogue, parse_catalogue
from pileus.domain.errors import Invalid
from pileus.region_drivers import plan_region_drivers
from pileus.settings import Settings
from tests.app_settings import checked_settings
from tests.regions.clouds import MEMORY, catalogue_text


def plan(more: dict[int, str], **settings: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and regions of the drivers that a catalogue needs."""
    plans = plan_region_drivers(Settings(**settings), parse_catalogue(catalogue_text(more)))
    return [(planned.name, planned.region_ids) for planned in plans]


def test_regions_with_the_same_driver_and_options_share_it_and_the_setting_is_the_default() -> None:
    assert plan(MEMORY) == [("simulated", (1,)), ("memory", (2, 3)), ("memory", (4,))]
    assert plan(MEMORY, driver="memory") == [("memory", (1, 2, 3)), ("memory", (4,))]
    assert plan(MEMORY, drivers={"memory": {"rack": "b"}}) == [("simulated", (1,)), ("memory", (2, 3, 4))]
    assert plan({2: 'driver = "simulated"'}) == [("simulated", (1, 2))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'driver = "nowhere"',
            "regions[1].driver: There is no driver nowhere; there is memory, openstack, qemu",
        ),
        ('driver = "memory"\ndriver_options = { row = 1 }', "regions[1].driver_options.row: The driver memory has no"),
        ("driver_options = { rack = 'b' }", "regions[1].driver_options.rack: The driver simulated has no such option"),
        ('driver = "memory"\ndriver_options = { vcpus = "many" }', "Expected 'int', got 'str' - at '$.vcpus'"),
        ('driver = "memory"\ndriver_options = { vcpus = 0 }', "regions[1].driver_options: Expected 'int' >= 1"),
        ('driver_options = { time = "realistic" }', "All regions of the driver simulated need the same options"),
        ('driver = ""', "regions[1].driver"),
        ("driver_options = 1", "regions[1].driver_options"),
    ],
)
def test_a_wrong_driver_or_option_is_named_with_its_path(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan({2: text})

    assert message in caught.value.message


async def test_a_wrong_driver_changes_nothing_in_the_database(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_text(catalogue_text({2: 'driver = "nowhere"'}))
    settings = checked_settings(data=tmp_path / "data", catalogue=str(tmp_path / "catalogue.toml"))

    with pytest.raises(Invalid, match="nowhere"):
        async with run_cloud(settings):
            pass

    assert not (tmp_path / "data").exists()


def test_a_catalogue_for_a_driver_has_the_regions_and_nothing_else_less() -> None:
    whole = parse_catalogue(catalogue_text(MEMORY))

    part: Catalogue = whole.with_regions([2, 4])

    assert [region.id for region in part.regions] == [2, 4]
    assert (part.flavors, part.images) == (whole.flavors, whole.images)
    assert part.region(1) is None
