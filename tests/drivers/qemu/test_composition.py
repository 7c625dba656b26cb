"""Test that the driver, which is made of parts, fulfils the Protocols that it should, with all their methods."""

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import pytest

from pileus.drivers import protocols
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.qemu.driver import Qemu

MODULES = [import_module(f"{protocols.__name__}.{info.name}") for info in pkgutil.iter_modules(protocols.__path__)]
CAPABILITIES = {
    protocol
    for module in MODULES
    for protocol in vars(module).values()
    if getattr(protocol, "_is_runtime_protocol", False)
}
FULFILLED = {
    "SupportsCapacity", "SupportsConsoles", "SupportsDiskSpace", "SupportsFloatingIPs", "SupportsHealthCheck",
    "SupportsMachineInventory",
    "LimitsLoadBalancers", "ObservesMembers", "SupportsLoadBalancers",
    "LimitsFileShares", "SupportsFileShares",
    "SupportsImages", "SupportsInterfaces", "SupportsMachineMetadata", "SupportsMachineMetrics", "SupportsNetworks",
    "SupportsPortForwards", "SupportsRouters", "SupportsScreenStreams", "SupportsSecurityGroups", "SupportsSerialLogs",
    "SupportsSnapshots", "SupportsVolumeResize", "SupportsVolumeRetype", "SupportsVolumes", "SupportsWatching",
}  # fmt: skip


def methods(protocol: Any) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_the_driver_has_exactly_its_capabilities() -> None:
    assert {protocol.__name__ for protocol in CAPABILITIES if issubclass(Qemu, protocol)} == FULFILLED


@pytest.mark.parametrize(
    "protocol",
    [
        Compute,
        *sorted(
            (capability for capability in CAPABILITIES if capability.__name__ in FULFILLED),
            key=lambda capability: capability.__name__,
        ),
    ],
)
def test_methods_have_the_parameters_of_their_protocol(protocol: Any) -> None:
    for name in methods(protocol):
        expected, actual = getattr(protocol, name), getattr(Qemu, name)

        assert list(inspect.signature(actual).parameters) == list(inspect.signature(expected).parameters)
        assert inspect.iscoroutinefunction(actual) == inspect.iscoroutinefunction(expected)


def test_no_part_bears_the_name_of_a_protocol() -> None:
    package = import_module(Qemu.__module__.rpartition(".")[0])
    modules = [import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    classes = {
        name: cls
        for module in modules
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and cls.__module__.startswith(package.__name__)
    }

    assert classes.keys() & {protocol.__name__ for protocol in CAPABILITIES} == set()


def test_the_driver_inherits_from_no_part() -> None:
    assert Qemu.__mro__ == (Qemu, object)
