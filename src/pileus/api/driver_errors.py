"""The answers to requests for what only a driver knows, when it raises an error."""

from collections.abc import Iterator
from contextlib import contextmanager

from pileus.domain.errors import Conflict, Unavailable
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable


@contextmanager
def translate_driver_errors() -> Iterator[None]:
    """Raise Unavailable if what the driver works with does not answer, and Conflict for its other errors."""
    try:
        yield
    except DriverUnreachable as error:
        raise Unavailable(str(error)) from error
    except DriverError as error:
        raise Conflict(str(error)) from error
