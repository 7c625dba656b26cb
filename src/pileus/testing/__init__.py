"""Tools for tests of other packages; the server never imports them.

`cloud()` runs a simulated cloud in this process. The pytest plug-in has fixtures for it. `conformance` tests drivers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pileus.testing.clouds import Cloud

__all__ = ["cloud"]


def cloud(**settings: Any) -> "AbstractContextManager[Cloud]":
    """Run a simulated cloud in this process: `with pileus.testing.cloud() as cloud: …`.

    Keyword arguments are settings by name, such as `catalogue="my.toml"` or `simulated_time="realistic"`. While the
    cloud runs, the variables of the official clients name it, and this process refuses requests to the public cloud.
    Raises SettingError for a wrong setting.
    """
    # Every run of pytest loads this package: only those that use a cloud pay for the server.
    from pileus.testing.clouds import run_test_cloud  # noqa: PLC0415

    return run_test_cloud(**settings)
