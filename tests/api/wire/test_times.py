"""Formatting and parsing of times."""

import pytest

from pileus.api.wire import times
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.domain.errors import Invalid

WHEN = 1_701_255_409_000_042


def test_each_format_is_the_published_one() -> None:
    assert times.format_zulu(WHEN) == "2023-11-29T10:56:49Z"
    assert times.format_with_offset(WHEN) == "2023-11-29T10:56:49+0000"
    assert times.format_with_colon_offset(WHEN) == "2023-11-29T10:56:49+00:00"
    assert times.format_without_offset(WHEN) == "2023-11-29T10:56:49"
    assert times.format_with_microseconds(WHEN) == "2023-11-29T10:56:49.000042"


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-29T10:56:49.000042",
        "2023-11-29T10:56:49.000042Z",
        "2023-11-29 12:56:49.000042+02:00",
        "2023-11-29T12:56:49.000042+0200",
    ],
)
def test_any_iso_time_is_parsed_to_the_microsecond(text: str) -> None:
    assert times.parse_time(text) == WHEN


def test_an_invalid_time_raises_value_error() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        times.parse_time("yesterday")


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T02:00:01+02:00", 1_000_000),
        ("1970-01-01T02:00:01 02:00", 1_000_000),
        ("1970-01-01T00:00:01+0000", 1_000_000),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1970-01-01T00:00:01.500", 1_500_000),
    ],
)
def test_the_ends_of_a_range_are_parsed_as_clients_send_them(text: str, us: int) -> None:
    assert parse_range_start("since", text) == us
    assert parse_range_end("until", text) == (us if us % 1_000_000 else us + 999_999)


@pytest.mark.parametrize("text", ["", "yesterday", "1970-13-01", "25:00", "0001-01-01T00:00:00+14:00x"])
def test_an_invalid_time_names_the_parameter(text: str) -> None:
    for read in (parse_range_start, parse_range_end):
        with pytest.raises(Invalid) as wrong:
            read("since", text)
        assert list(wrong.value.fields) == ["since"]


def test_an_absent_end_is_none() -> None:
    assert parse_range_start("since", None) is parse_range_end("until", None) is None
