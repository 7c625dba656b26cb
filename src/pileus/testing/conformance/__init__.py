"""The conformance suite of drivers: `pytest --pileus-driver NAME --pyargs pileus.testing.conformance`.

Tests of abilities that a driver does not have are skipped. See docs/drivers.md.
"""
