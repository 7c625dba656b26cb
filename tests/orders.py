"""Bodies of requests that create instances."""

from typing import Any

from pileus.domain.catalogue import derive_public_image_id
from tests.tenants import REGION

UBUNTU = derive_public_image_id(REGION, "ubuntu-22.04-x64")
METAL = derive_public_image_id(REGION, "ubuntu-22.04-x64-ironic")


def boot(**changes: Any) -> dict[str, Any]:
    """Return a boot volume from an image."""
    return {"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0, **changes}


def an_order(**changes: Any) -> dict[str, Any]:
    """Return an order for a small instance with a public address."""
    return {
        "name": "web-1",
        "flavor": "g1-standard-1-2",
        "interfaces": [{"type": "external"}],
        "volumes": [boot()],
        **changes,
    }
