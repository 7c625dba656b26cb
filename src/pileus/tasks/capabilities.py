"""Optional capabilities of drivers: each function returns the driver as one that has the capability.

All raise DriverError if the driver lacks it.
"""

from pileus.drivers.protocols.compute import Compute, Rebuilds
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import Images
from pileus.drivers.protocols.network import FloatingIPs, Interfaces, Networks, Protects, Routers
from pileus.drivers.protocols.storage import Extends, Retypes, Snapshots, Volumes


def volume_driver(driver: Compute) -> Volumes:
    """Return a driver of volumes."""
    if not isinstance(driver, Volumes):
        raise _unsupported("This cloud's driver keeps no volumes")
    return driver


def resize_driver(driver: Compute) -> Extends:
    """Return a driver that can extend volumes."""
    if not isinstance(driver, Extends):
        raise _unsupported("This cloud's driver cannot extend volumes")
    return driver


def retype_driver(driver: Compute) -> Retypes:
    """Return a driver that can change the type of volumes."""
    if not isinstance(driver, Retypes):
        raise _unsupported("This cloud's driver cannot change the type of volumes")
    return driver


def snapshot_driver(driver: Compute) -> Snapshots:
    """Return a driver of snapshots."""
    if not isinstance(driver, Snapshots):
        raise _unsupported("This cloud's driver keeps no snapshots")
    return driver


def image_driver(driver: Compute) -> Images:
    """Return a driver of images."""
    if not isinstance(driver, Images):
        raise _unsupported("This cloud's driver keeps no images")
    return driver


def rebuild_driver(driver: Compute) -> Rebuilds:
    """Return a driver that can rebuild servers."""
    if not isinstance(driver, Rebuilds):
        raise _unsupported("This cloud's driver cannot rebuild servers")
    return driver


def network_driver(driver: Compute) -> Networks:
    """Return a driver of networks and subnets."""
    if not isinstance(driver, Networks):
        raise _unsupported("This cloud's driver makes no networks")
    return driver


def router_driver(driver: Compute) -> Routers:
    """Return a driver of routers."""
    if not isinstance(driver, Routers):
        raise _unsupported("This cloud's driver makes no routers")
    return driver


def interface_driver(driver: Compute) -> Interfaces:
    """Return a driver that can attach and detach interfaces."""
    if not isinstance(driver, Interfaces):
        raise _unsupported("This cloud cannot change the interfaces of an instance")
    return driver


def floating_ip_driver(driver: Compute) -> FloatingIPs:
    """Return a driver of floating IPs."""
    if not isinstance(driver, FloatingIPs):
        raise _unsupported("This cloud's driver has no floating IPs")
    return driver


def ddos_driver(driver: Compute) -> Protects:
    """Return a driver of DDoS protection."""
    if not isinstance(driver, Protects):
        raise _unsupported("This cloud has no protection against DDoS")
    return driver


def _unsupported(message: str) -> DriverError:
    return DriverError(message, retryable=False)
