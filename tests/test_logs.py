"""The formats of log lines."""

import logging
import sys

from pileus.logs import make_text_formatter

LONGEST = 10_000


def fail_with_key(api_key: str, depth: int) -> None:
    """Raise an exception below a number of calls that know a key."""
    if depth:
        fail_with_key(api_key, depth - 1)
    raise ValueError("the disk is unknown")


def format_failure(api_key: str) -> str:
    """Return the log line of an exception, as text."""
    try:
        fail_with_key(api_key, depth=5)
    except ValueError:
        record = logging.makeLogRecord({"msg": "Unhandled exception", "exc_info": sys.exc_info()})
        return make_text_formatter().format(record)
    raise AssertionError


def test_a_traceback_in_a_text_log_is_short_and_shows_no_values_of_variables() -> None:
    line = format_failure("7_a-secret" * 500)

    assert "Unhandled exception" in line
    assert "ValueError: the disk is unknown" in line
    assert "fail_with_key" in line
    assert "7_a-secret" not in line
    assert len(line) < LONGEST
