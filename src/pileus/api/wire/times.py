"""Format and parse times. The public API has a format per family; records have microseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pileus.domain.errors import invalid

SECOND = 1_000_000
UNESCAPED_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:?[0-9]{2}$)")
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"


def format_zulu(microseconds: int) -> str:
    """Format as `2023-11-29T10:56:49Z`, for instances, metrics and SSH keys."""
    return format_without_offset(microseconds) + "Z"


def format_with_offset(microseconds: int) -> str:
    """Format as `2019-05-29T05:32:41+0000`, for volumes, networks, ports, addresses and images."""
    return format_without_offset(microseconds) + "+0000"


def format_with_colon_offset(microseconds: int) -> str:
    """Format as `2019-05-29T05:32:41+00:00`, for the audit log."""
    return format_without_offset(microseconds) + "+00:00"


def format_without_offset(microseconds: int) -> str:
    """Format as `2024-05-07T08:24:02` in UTC, for tasks and regions."""
    return _format_seconds(microseconds // SECOND)


def format_with_microseconds(microseconds: int) -> str:
    """Format as `2019-05-29T05:32:41.123456` in UTC, for projects."""
    return f"{format_without_offset(microseconds)}.{microseconds % 1_000_000:06d}"


@lru_cache(maxsize=65536)
def _format_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def parse_time(text: str) -> int:
    """Parse an ISO date or date-time; the default time zone is UTC. Raises ValueError or OverflowError."""
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def parse_range_start(field: str, text: str | None) -> int | None:
    """Parse the start of a range from the parameter `field`. Raises Invalid."""
    if text is None:
        return None
    try:
        # An unescaped plus sign in a URL arrives as a space.
        return parse_time(UNESCAPED_PLUS.sub("+", text) if "T" in text else text)
    except (ValueError, OverflowError):
        raise invalid(**{field: "Input should be a valid datetime"}) from None


def parse_range_end(field: str, text: str | None) -> int | None:
    """Parse the end of a range. Raises Invalid.

    A whole second is included to its end, because most times are returned without a fraction.
    """
    time = parse_range_start(field, text)
    return time + SECOND - 1 if time is not None and time % SECOND == 0 else time
