"""Times are written in each of the API's formats, and read in all."""

import pytest

from pileus.api.wire import times

WHEN = 1_701_255_409_000_042


def test_each_format_is_written_as_published() -> None:
    assert times.zulu(WHEN) == "2023-11-29T10:56:49Z"
    assert times.offset(WHEN) == "2023-11-29T10:56:49+0000"
    assert times.colon_offset(WHEN) == "2023-11-29T10:56:49+00:00"
    assert times.naive(WHEN) == "2023-11-29T10:56:49"
    assert times.naive_micros(WHEN) == "2023-11-29T10:56:49.000042"


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-29T10:56:49.000042",
        "2023-11-29T10:56:49.000042Z",
        "2023-11-29 12:56:49.000042+02:00",
        "2023-11-29T12:56:49.000042+0200",
    ],
)
def test_any_iso_time_is_read_to_the_microsecond(text: str) -> None:
    assert times.parsed(text) == WHEN


def test_what_is_no_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        times.parsed("yesterday")
