"""How the conformance suite runs the simulated driver."""

from pileus.drivers.simulated.driver import Simulated
from pileus.testing.conformance.under_test import DriverUnderTest


class SimulatedUnderTest(DriverUnderTest):
    """Its state file has to be closed."""

    async def clean_up(self, driver: Simulated) -> None:
        """Close the state file."""
        driver.close()
