"""Set-up of the simulated driver for the conformance suite."""

from pileus.drivers.simulated.driver import Simulated
from pileus.testing.conformance.harnesses import DriverTestHarness


class SimulatedTestHarness(DriverTestHarness):
    """The simulated driver under test; its state file is closed at the end."""

    async def clean_up(self, driver: Simulated) -> None:
        """Close the state file."""
        driver.close()
