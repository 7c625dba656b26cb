"""Words of HAProxy's configuration that contain what tenants have chosen."""

import re

from pileus.drivers.protocols.errors import DriverError

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def quote_word(text: str) -> str:
    """Return a text as one word, in which nothing has a meaning. Raises DriverError for control characters."""
    if CONTROL_CHARACTER.search(text):
        raise DriverError(f"{text!r} has control characters", retryable=False)
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"


def quote_format(text: str) -> str:
    """Return a text as one word where HAProxy expects a format with variables."""
    return quote_word(text.replace("%", "%%"))


def quote_call(function: str, argument: str) -> str:
    """Return the call of a function with a text as its argument, as one word. Raises DriverError for quotes in it."""
    if not set(argument).isdisjoint('"\\'):
        raise DriverError(f"{argument!r} has quotes", retryable=False)
    return quote_word(f'{function}("{argument}")')
