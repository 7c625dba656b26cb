"""What a test needs of the machine: programs for real machines, and the rights to namespaces and mounts."""

import os
from typing import NoReturn

import pytest

VARIABLE = "PILEUS_TEST_NAMESPACES"
REQUIRED = "required"


def must_run_real_machines() -> bool:
    """Return whether the variable requires the tests of real machines to run."""
    return os.environ.get(VARIABLE) == REQUIRED


def skip_unless_required(reason: str) -> NoReturn:
    """Skip the test of real machines, or fail it where the variable requires such tests to run."""
    if must_run_real_machines():
        pytest.fail(f"{VARIABLE} is {REQUIRED}: {reason}", pytrace=False)
    pytest.skip(reason)
