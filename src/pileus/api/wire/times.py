"""How times are written: the public API has a format for each family. Records hold microseconds since 1970."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pileus.domain.errors import invalid

SECOND = 1_000_000
UNESCAPED_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:?[0-9]{2}$)")
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"


@lru_cache(maxsize=65536)
def format_zulu(us: int) -> str:
    """Write `2023-11-29T10:56:49Z`: instances, metrics, SSH keys."""
    return naive(us) + "Z"


def offset(us: int) -> str:
    """Write `2019-05-29T05:32:41+0000`: volumes, networks, ports, addresses, images."""
    return naive(us) + "+0000"


def colon_offset(us: int) -> str:
    """Write `2019-05-29T05:32:41+00:00`: the audit log."""
    return naive(us) + "+00:00"


def naive(us: int) -> str:
    """Write `2024-05-07T08:24:02`, in UTC: tasks and regions."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).isoformat()[:19]


def naive_micros(us: int) -> str:
    """Write `2019-05-29T05:32:41.123456`, in UTC: projects."""
    return f"{naive(us)}.{us % 1_000_000:06d}"


def parsed(text: str) -> int:
    """Read an ISO date or date-time, in UTC unless it says otherwise; raises ValueError."""
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def earliest(field: str, text: str | None) -> int | None:
    """Read the start of a range that a parameter names; raises Invalid."""
    if text is None:
        return None
    try:
        # A plus sign in an address that nobody has escaped arrives as a blank.
        return parsed(UNESCAPED_PLUS.sub("+", text) if "T" in text else text)
    except (ValueError, OverflowError):
        raise invalid(**{field: "Input should be a valid datetime"}) from None


def latest(field: str, text: str | None) -> int | None:
    """Read the end of a range; a whole second belongs to it to its end, as most times are shown without a fraction."""
    found = earliest(field, text)
    return found + SECOND - 1 if found is not None and found % SECOND == 0 else found
