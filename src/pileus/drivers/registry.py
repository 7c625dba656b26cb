"""Finds drivers by name: the built-in ones, and those that other packages offer as entry points."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from msgspec import Struct

DRIVERS = "pileus.drivers"
"""The entry point group of drivers' classes."""
SETTINGS = "pileus.driver_settings"
"""The entry point group of drivers' settings Structs."""
TESTING = "pileus.driver_testing"
"""The entry point group of what the conformance suite needs to run a driver."""
BUILT_IN: dict[str, dict[str, str]] = {
    DRIVERS: {
        "simulated": "pileus.drivers.simulated.driver:Simulated",
        "qemu": "pileus.drivers.qemu.driver:Qemu",
        "openstack": "pileus.drivers.openstack.driver:Openstack",
    },
    SETTINGS: {
        "simulated": "pileus.drivers.simulated.settings:SimulatedSettings",
        "qemu": "pileus.drivers.qemu.settings:QemuSettings",
        "openstack": "pileus.drivers.openstack.settings:OpenstackSettings",
    },
    TESTING: {
        "qemu": "pileus.drivers.qemu.testing:QemuTestHarness",
        "openstack": "pileus.drivers.openstack.testing:OpenstackTestHarness",
    },
}


EXTRAS = {"openstack": "openstack", "keystoneauth1": "openstack"}
"""The extras of Pileus that drivers need, by the modules that are missing without them."""


class NoSettings(Struct, frozen=True):
    """The settings of a driver that declares none."""


class UnknownDriver(Exception):
    """A driver does not exist or cannot be loaded; the message is one line for the operator."""


def find_driver_location(name: str) -> str:
    """Return where a driver's class is, as `module:Class`. Raises UnknownDriver."""
    location = find_location(DRIVERS, name)
    if location is None:
        names = ", ".join(sorted({*BUILT_IN[DRIVERS], *external_driver_names(DRIVERS)}))
        raise UnknownDriver(f"There is no driver {name}; there is {names}")
    return location


def find_location(group: str, name: str) -> str | None:
    """Return the location that a driver has in a group; built-in drivers cannot be replaced."""
    built_in = BUILT_IN[group].get(name)
    return built_in or next((value for entry, value in _entry_points(group) if entry == name), None)


def external_driver_names(group: str) -> list[str]:
    """Return the drivers of other packages in a group."""
    return sorted({name for name, _ in _entry_points(group)} - BUILT_IN[DRIVERS].keys())


def load_object(location: str) -> Any:
    """Import what a location `module:name` names. Raises UnknownDriver if that fails."""
    module, _, name = location.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as problem:
        from pileus.install_hints import install_command  # noqa: PLC0415  # slow to import, and seldom needed

        extra = EXTRAS.get((problem.name or "").partition(".")[0])
        hint = f". Install it: {install_command(extra)}" if extra else ""
        raise UnknownDriver(f"{location} cannot be loaded: {problem}{hint}") from problem


def load_driver_settings_type(name: str) -> type[Struct]:
    """Return the Struct of a driver's settings. Raises UnknownDriver."""
    location = find_location(SETTINGS, name)
    declaration: type[Struct] = load_object(location) if location else NoSettings
    return declaration


def _entry_points(group: str) -> Iterable[tuple[str, str]]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # slow to import, and `pileus --help` does without

    return [(entry_point.name, entry_point.value) for entry_point in entry_points(group=group)]
