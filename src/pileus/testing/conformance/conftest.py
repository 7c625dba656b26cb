"""Makes the fixtures available to the suite."""

from pileus.testing.conformance.fixtures import data, driver, driver_name, make_driver, system_image_id, driver_harness

__all__ = ["data", "driver", "driver_name", "make_driver", "system_image_id", "driver_harness"]
