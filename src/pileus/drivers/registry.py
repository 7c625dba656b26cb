"""Drivers by name: our own, and those that other packages offer as entry points of the group `pileus.drivers`."""

from importlib.metadata import EntryPoint, entry_points

GROUP = "pileus.drivers"
OURS = {
    "simulated": "pileus.drivers.simulated.driver:Simulated",
    "qemu": "pileus.drivers.qemu.driver:Qemu",
}


class UnknownDriver(Exception):
    """No driver has that name; the message names those there are."""


def find_driver(name: str) -> EntryPoint:
    """Where a driver's class is; raises UnknownDriver."""
    found = {ours: EntryPoint(ours, where, GROUP) for ours, where in OURS.items()}
    if name not in found:
        found |= {offered.name: offered for offered in entry_points(group=GROUP)}
    if name not in found:
        raise UnknownDriver(f"There is no driver {name}; there is {', '.join(sorted(found))}")
    return found[name]
