"""Makes the fixtures available to the suite."""

from pileus.testing.conformance.fixtures import data, driver, driver_harness, driver_name, make_driver, system_image_id

__all__ = ["data", "driver", "driver_harness", "driver_name", "make_driver", "system_image_id"]
