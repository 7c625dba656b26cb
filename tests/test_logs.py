"""The formats of log lines."""

import logging
import subprocess
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


def test_requests_that_the_server_sends_are_not_logged_one_by_one() -> None:
    program = (
        "import logging; from pileus.logs import configure; configure('info', 'json');"
        " [logging.getLogger(name).info('a line of %s', name) for name in ('httpx', 'pileus')]"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)

    assert "a line of pileus" in done.stderr
    assert "a line of httpx" not in done.stderr
