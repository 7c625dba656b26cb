"""The Protocols of drivers stay small."""

from collections.abc import Iterator
from typing import Any

import pytest

from pileus.drivers.protocols import compute, config, consoles, guests, images, metrics, network, records, storage

MODULES = (compute, config, consoles, guests, images, metrics, network, records, storage)


def protocols() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        for name, value in vars(module).items():
            if getattr(value, "_is_protocol", False) and name != "Protocol":
                yield name, value


@pytest.mark.parametrize(("name", "protocol"), [*protocols()])
def test_no_protocol_asks_for_more_than_eight_verbs(name: str, protocol: Any) -> None:
    assert len([verb for verb in vars(protocol) if not verb.startswith("_")]) <= 8, name
