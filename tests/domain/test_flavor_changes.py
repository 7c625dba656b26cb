"""Flavor changes: possible flavors, and the growth of quota counts."""

import pytest
from msgspec.structs import replace

from pileus.domain.compute.flavor_changes import (
    quota_increases,
    require_allowed_flavor_change,
    require_flavor_fits_image,
)
from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.errors import Invalid, NoCapacity
from tests.domain.builders import UBUNTU, WINDOWS, an_instance, public_images, the_catalogue


def the_flavor(flavor_id: str) -> Flavor:
    flavor = the_catalogue().flavor(flavor_id)
    assert flavor is not None
    return flavor


@pytest.mark.parametrize(
    ("flavor_id", "complaint"),
    [
        ("none-such", "Flavor none-such could not be found"),
        ("g1-standard-1-2", "Instance i-1 has flavor g1-standard-1-2 already"),
        ("bm2-hf-medium", "Flavor bm2-hf-medium is for servers of another kind"),
    ],
)
def test_impossible_flavors_are_rejected(flavor_id: str, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        require_allowed_flavor_change(an_instance(), the_catalogue().flavor(flavor_id), flavor_id)

    assert caught.value.fields == {"flavor_id": [complaint]}


def test_disabled_flavor_has_no_capacity() -> None:
    disabled = replace(the_flavor("g2-standard-2-4"), disabled=True)

    with pytest.raises(NoCapacity, match="Flavor g2-standard-2-4 is disabled"):
        require_allowed_flavor_change(an_instance(), disabled, disabled.id)


def test_larger_flavor_is_accepted() -> None:
    larger = the_flavor("g2-standard-2-4")

    assert require_allowed_flavor_change(an_instance(), larger, larger.id) is larger


def test_image_must_boot_on_the_flavor() -> None:
    small, images = the_flavor("g1-standard-1-2"), public_images()
    template = next(app for app in the_catalogue().app_templates if app.id == "wordpress")

    assert require_flavor_fits_image(small, images[UBUNTU], None) is small
    assert require_flavor_fits_image(small, None, None) is small
    assert require_flavor_fits_image(small, images[UBUNTU], template) is small
    for image, wanting in (
        (images[WINDOWS], None),
        (replace(images[UBUNTU], min_ram=2049), None),
        (images[UBUNTU], replace(template, min_ram=2049)),
        (images[UBUNTU], replace(template, min_vcpus=2)),
        (replace(images[UBUNTU], is_baremetal=True), None),
    ):
        with pytest.raises(Invalid) as caught:
            require_flavor_fits_image(small, image, wanting)
        assert caught.value.fields == {"flavor_id": [boot_misfit_reason(small, image, wanting)]}


@pytest.mark.parametrize(
    ("before", "after", "growth"),
    [
        ("g1-standard-1-2", "g1-standard-2-4", {"cpu_count": 1, "ram": 2048}),
        ("g1-standard-2-4", "g1-standard-1-2", {}),
        ("g1-standard-2-4", "g2-standard-2-4", {}),
        ("g1s-shared-1-1", "g1-standard-1-2", {"vm_count": 1, "cpu_count": 1, "ram": 2048}),
        ("g1-standard-1-2", "g1s-shared-1-1", {"shared_vm_count": 1}),
        (None, "g1-standard-1-2", {"vm_count": 1, "cpu_count": 1, "ram": 2048}),
    ],
)
def test_only_the_growth_counts_against_quotas(before: str | None, after: str, growth: dict[str, int]) -> None:
    assert quota_increases(the_flavor(before) if before else None, the_flavor(after)) == growth
