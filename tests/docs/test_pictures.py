"""The picture of the sizes is what its script draws."""

import runpy

from tests.packaging.distributions import ROOT


def test_the_picture_of_the_sizes_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts/sizes"))

    assert (ROOT / "docs/sizes.svg").read_text("utf-8") == script["picture"]()
