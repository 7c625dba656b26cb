"""The pytest plug-in: options of the conformance suite. Every run of pytest loads it, so it does nothing else."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("pileus", "conformance of Pileus drivers")
    group.addoption(
        "--pileus-driver",
        metavar="NAME",
        help="The driver to test: pytest --pileus-driver NAME --pyargs pileus.testing.conformance",
    )
    group.addoption(
        "--pileus-image",
        metavar="FILE",
        help="A disk image of a Linux system that real machines can boot; some tests are skipped without it.",
    )


pytest.register_assert_rewrite("pileus.testing.conformance")
