"""Changing a flavor: which may be taken, what must fit in, and what it counts more."""

import pytest
from msgspec.structs import replace

from pileus.domain.compute.flavor_changes import check_flavor_fits_image, quota_growth, require_flavor_change
from pileus.domain.compute.flavors import Flavor, misfit_reason
from pileus.domain.errors import Invalid, NoCapacity
from tests.domain.builders import UBUNTU, WINDOWS, an_instance, public_images, the_catalogue


def flavor(flavor_id: str) -> Flavor:
    found = the_catalogue().flavor(flavor_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("flavor_id", "complaint"),
    [
        ("none-such", "Flavor none-such could not be found"),
        ("g1-standard-1-2", "Instance i-1 has flavor g1-standard-1-2 already"),
        ("bm2-hf-medium", "Flavor bm2-hf-medium is for servers of another kind"),
    ],
)
def test_some_flavors_cannot_be_taken(flavor_id: str, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        require_flavor_change(an_instance(), the_catalogue().flavor(flavor_id), flavor_id)

    assert caught.value.fields == {"flavor_id": [complaint]}


def test_a_disabled_one_has_no_capacity() -> None:
    disabled = replace(flavor("g2-standard-2-4"), disabled=True)

    with pytest.raises(NoCapacity, match="Flavor g2-standard-2-4 is disabled"):
        require_flavor_change(an_instance(), disabled, disabled.id)


def test_others_can() -> None:
    larger = flavor("g2-standard-2-4")

    assert require_flavor_change(an_instance(), larger, larger.id) is larger


def test_what_boots_must_run_on_it() -> None:
    small, images = flavor("g1-standard-1-2"), public_images()
    template = next(each for each in the_catalogue().app_templates if each.id == "wordpress")

    assert check_flavor_fits_image(small, images[UBUNTU], None) is small
    assert check_flavor_fits_image(small, None, None) is small
    assert check_flavor_fits_image(small, images[UBUNTU], template) is small
    for image, wanting in (
        (images[WINDOWS], None),
        (replace(images[UBUNTU], min_ram=2049), None),
        (images[UBUNTU], replace(template, min_ram=2049)),
        (images[UBUNTU], replace(template, min_vcpus=2)),
        (replace(images[UBUNTU], is_baremetal=True), None),
    ):
        with pytest.raises(Invalid) as caught:
            check_flavor_fits_image(small, image, wanting)
        assert caught.value.fields == {"flavor_id": [misfit_reason(small, image, wanting)]}


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        ("g1-standard-1-2", "g1-standard-2-4", {"cpu_count": 1, "ram": 2048}),
        ("g1-standard-2-4", "g1-standard-1-2", {}),
        ("g1-standard-2-4", "g2-standard-2-4", {}),
        ("g1s-shared-1-1", "g1-standard-1-2", {"vm_count": 1, "cpu_count": 1, "ram": 2048}),
        ("g1-standard-1-2", "g1s-shared-1-1", {"shared_vm_count": 1}),
        (None, "g1-standard-1-2", {"vm_count": 1, "cpu_count": 1, "ram": 2048}),
    ],
)
def test_only_what_it_counts_more_is_asked_for(before: str | None, after: str, more: dict[str, int]) -> None:
    assert quota_growth(flavor(before) if before else None, flavor(after)) == more
