"""Prices: exact, summing up, and rounded only when shown."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.domain.account.prices import (
    HOURS_PER_MONTH,
    Price,
    PricePreview,
    format_amount,
    of_external_ip,
    of_flavor,
    of_floating_ip,
    of_volume,
    preview_price,
    price_from_hourly,
)
from pileus.domain.compute.instance_orders import NewDisk, ResourceDemand
from tests.domain.builders import the_catalogue

CATALOGUE = the_catalogue()
FLAVORS = {flavor.id: flavor for flavor in CATALOGUE.flavors}
TYPES = sorted(each.name for each in CATALOGUE.volume_types)
BASKETS = st.builds(
    ResourceDemand,
    flavor=st.sampled_from(CATALOGUE.flavors),
    disks=st.lists(st.builds(NewDisk, st.integers(1, 4096), st.sampled_from(TYPES)), max_size=5),
    floating_ips=st.integers(0, 4),
    external_ips=st.integers(0, 4),
    count=st.integers(1, 9),
)


def known(price: Price | None) -> Price:
    assert price is not None
    return price


def test_a_flavor_is_priced_by_the_hour_and_a_month_has_730() -> None:
    price = known(of_flavor(FLAVORS["g1-standard-1-2"]))

    assert (price.per_hour, price.per_month) == (Decimal("0.012"), Decimal("8.76"))
    assert HOURS_PER_MONTH == 730


def test_a_volume_is_priced_by_the_month_and_its_size() -> None:
    price = of_volume(CATALOGUE, 50, "ssd_hiiops")

    assert price.per_month == Decimal("7.5")
    assert format_amount(price.per_hour) == Decimal("0.010274")


def test_addresses_are_priced_by_the_hour() -> None:
    assert of_floating_ip(CATALOGUE).per_hour == Decimal("0.004")
    assert of_external_ip(CATALOGUE).per_month == Decimal("2.92")


def test_a_type_that_is_gone_costs_nothing() -> None:
    assert of_volume(CATALOGUE, 50, "gone") == Price(Decimal(0))


def test_a_preview_tells_the_parts_of_all_servers_together() -> None:
    disks = [NewDisk(10, "standard"), NewDisk(20, "standard"), NewDisk(10, "ultra")]
    basket = ResourceDemand(flavor=FLAVORS["g1-standard-1-2"], disks=disks, floating_ips=1, external_ips=2, count=3)

    told = preview_price(CATALOGUE, basket)

    assert told.count == 3
    assert known(told.flavor).per_month == Decimal("26.28")
    assert {name: cost.per_month for name, cost in told.volumes.items()} == {
        "standard": Decimal("8.1"),
        "ultra": Decimal("9.0"),
    }
    assert told.floating_ip.per_month == Decimal("8.76")
    assert told.external_ip.per_month == Decimal("17.52")
    assert known(told.total).per_month == Decimal("69.66")
    assert told.status == "show"


@given(BASKETS)
def test_the_total_is_the_sum_of_the_parts_and_grows_with_the_count(basket: ResourceDemand) -> None:
    told = preview_price(CATALOGUE, basket)
    one = preview_price(CATALOGUE, replace(basket, count=1))

    parts = [known(told.flavor), *told.volumes.values(), told.floating_ip, told.external_ip]
    assert known(told.total).per_month == sum(part.per_month for part in parts)
    assert known(told.total) == known(one.total) * basket.count


@given(st.decimals(min_value=0, max_value=1000, places=6))
def test_no_hour_is_lost_by_way_of_the_month(amount: Decimal) -> None:
    assert format_amount(price_from_hourly(amount).per_hour) == amount


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0", "0.000000"),
        ("0.0000005", "0.000001"),
        ("0.0000004", "0.000000"),
        ("1.2345675", "1.234568"),
        ("8.760", "8.760000"),
    ],
)
def test_what_is_shown_is_rounded_half_up_to_a_millionth(amount: str, told: str) -> None:
    assert str(format_amount(Decimal(amount))) == told


def test_a_flavor_without_a_price_leaves_the_total_unknown() -> None:
    silent = replace(FLAVORS["g1-standard-1-2"], price_per_hour=None)

    told = preview_price(CATALOGUE, ResourceDemand(flavor=silent, disks=[NewDisk(10)]))

    assert (of_flavor(silent), told.total, told.status) == (None, None, "hide")
    assert told.volumes["standard"].per_month == Decimal("0.9")


@pytest.mark.parametrize(
    ("flavor", "virtual", "bare"), [("g1-standard-1-2", Decimal(1), None), ("bm2-hf-medium", None, Decimal(2))]
)
def test_traffic_is_priced_by_what_the_server_is(flavor: str, virtual: Decimal | None, bare: Decimal | None) -> None:
    prices = replace(CATALOGUE.prices, egress_virtual_per_gb=Decimal(1), egress_baremetal_per_gb=Decimal(2))

    told = preview_price(replace(CATALOGUE, prices=prices), ResourceDemand(flavor=FLAVORS[flavor]))

    assert (told.egress_virtual_per_gb, told.egress_baremetal_per_gb) == (virtual, bare)


def test_nothing_costs_nothing() -> None:
    assert known(PricePreview(flavor=Price()).total) == Price(Decimal(0))
