"""Names: the rule, and templates filled from addresses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.names import NAME_PATTERN, NAME_REGEX, TEMPLATE_PATTERN, fill_name_template

GOOD = ["abc", "a-b", "0a0", "My server 1", "a..", "a__", "a b.c_d-e9", "x" * 63]
BAD = [
    "", "a", "ab", "x" * 64, " abc", "abc ", "-abc", "abc-", ".abc", "_abc", "a/b/c", "ab\n", "abc\n", "\nabc",
    "abc\n\n", "a\tbc", "äbc", "abc\u00a0", "a{b}c", "abc\r", "abc\u2028",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_valid_name_matches(name: str) -> None:
    assert re.search(NAME_PATTERN, name)
    assert NAME_REGEX.fullmatch(name)
    assert re.search(TEMPLATE_PATTERN, name)


@pytest.mark.parametrize("name", BAD)
def test_invalid_name_does_not_match_even_by_search(name: str) -> None:
    assert not re.search(NAME_PATTERN, name)
    assert not NAME_REGEX.fullmatch(name)


@pytest.mark.parametrize("template", ["{ip_octets}", "web-{two_ip_octets}", "{one_ip_octet}.db", "a{ip_octets}z"])
def test_template_can_have_braces(template: str) -> None:
    assert re.search(TEMPLATE_PATTERN, template)


@pytest.mark.parametrize("template", ["{ip_octets}\n", "web-{ip_octets}-", " {ip_octets}", "a{", "}ab"])
def test_invalid_template_does_not_match(template: str) -> None:
    assert not re.search(TEMPLATE_PATTERN, template)


@pytest.mark.parametrize(
    ("template", "addresses", "name"),
    [
        ("web-{ip_octets}", ["192.10.0.5"], "web-10-0-5"),
        ("web-{two_ip_octets}", ["192.10.0.5"], "web-0-5"),
        ("web-{one_ip_octet}", ["192.10.0.5"], "web-5"),
        ("{one_ip_octet}.{one_ip_octet}", ["192.10.0.5"], "5.5"),
        ("web-{one_ip_octet}", ["2001:db8::1", "192.10.0.7", "192.10.0.8"], "web-7"),
        ("plain", ["192.10.0.5"], "plain"),
        ("web-{ip_octets}", ["2001:db8::1"], "web-0-0-0"),
        ("web-{ip_octets}", [], "web-0-0-0"),
    ],
)
def test_template_is_filled_from_the_first_ipv4_address(template: str, addresses: list[str], name: str) -> None:
    assert fill_name_template(template, addresses) == name


@given(st.text(max_size=70))
def test_search_and_full_match_agree(name: str) -> None:
    assert bool(re.search(NAME_PATTERN, name)) == bool(NAME_REGEX.fullmatch(name))
