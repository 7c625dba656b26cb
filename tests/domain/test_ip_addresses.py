"""Addresses and ranges have no zone, since it may be any text."""

import pytest

from pileus.domain.ip_addresses import ip_address, ip_network


@pytest.mark.parametrize("text", ["fe80::1%eth0", "::1%x; } } EXPORT {", "::1%a\nb", "fe80::%1/64", "%", "10.0.0.1%1"])
def test_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        ip_address(text)
    for strict in (True, False):
        with pytest.raises(ValueError, match="does not appear"):
            ip_network(text, strict=strict)
