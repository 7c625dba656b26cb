"""Optional capabilities of drivers: each function returns the driver as one that has the capability.

All raise DriverError if the driver lacks it.
"""

from pileus.drivers.protocols.compute import Compute, SupportsRebuild
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import SupportsImages
from pileus.drivers.protocols.load_balancers import SupportsLoadBalancers
from pileus.drivers.protocols.network import (
    SupportsDdosProtection,
    SupportsFloatingIPs,
    SupportsInterfaces,
    SupportsNetworks,
    SupportsRouters,
)
from pileus.drivers.protocols.storage import (
    SupportsFileShares,
    SupportsSnapshots,
    SupportsVolumeResize,
    SupportsVolumeRetype,
    SupportsVolumes,
)


def require_volume_support(driver: Compute) -> SupportsVolumes:
    """Return a driver of volumes."""
    if not isinstance(driver, SupportsVolumes):
        raise _unsupported("The driver of this region keeps no volumes")
    return driver


def require_file_share_support(driver: Compute) -> SupportsFileShares:
    """Return a driver of file shares."""
    if not isinstance(driver, SupportsFileShares):
        raise _unsupported("The driver of this region has no file shares")
    return driver


def require_volume_resize_support(driver: Compute) -> SupportsVolumeResize:
    """Return a driver that can extend volumes."""
    if not isinstance(driver, SupportsVolumeResize):
        raise _unsupported("The driver of this region cannot extend volumes")
    return driver


def require_volume_retype_support(driver: Compute) -> SupportsVolumeRetype:
    """Return a driver that can change the type of volumes."""
    if not isinstance(driver, SupportsVolumeRetype):
        raise _unsupported("The driver of this region cannot change the type of volumes")
    return driver


def require_snapshot_support(driver: Compute) -> SupportsSnapshots:
    """Return a driver of snapshots."""
    if not isinstance(driver, SupportsSnapshots):
        raise _unsupported("The driver of this region keeps no snapshots")
    return driver


def require_image_support(driver: Compute) -> SupportsImages:
    """Return a driver of images."""
    if not isinstance(driver, SupportsImages):
        raise _unsupported("The driver of this region keeps no images")
    return driver


def require_rebuild_support(driver: Compute) -> SupportsRebuild:
    """Return a driver that can rebuild servers."""
    if not isinstance(driver, SupportsRebuild):
        raise _unsupported("The driver of this region cannot rebuild servers")
    return driver


def require_network_support(driver: Compute) -> SupportsNetworks:
    """Return a driver of networks and subnets."""
    if not isinstance(driver, SupportsNetworks):
        raise _unsupported("The driver of this region makes no networks")
    return driver


def require_router_support(driver: Compute) -> SupportsRouters:
    """Return a driver of routers."""
    if not isinstance(driver, SupportsRouters):
        raise _unsupported("The driver of this region makes no routers")
    return driver


def require_interface_support(driver: Compute) -> SupportsInterfaces:
    """Return a driver that can attach and detach interfaces."""
    if not isinstance(driver, SupportsInterfaces):
        raise _unsupported("The driver of this region cannot change the interfaces of an instance")
    return driver


def require_floating_ip_support(driver: Compute) -> SupportsFloatingIPs:
    """Return a driver of floating IPs."""
    if not isinstance(driver, SupportsFloatingIPs):
        raise _unsupported("The driver of this region has no floating IPs")
    return driver


def require_ddos_protection_support(driver: Compute) -> SupportsDdosProtection:
    """Return a driver of DDoS protection."""
    if not isinstance(driver, SupportsDdosProtection):
        raise _unsupported("The driver of this region has no protection against DDoS")
    return driver


def require_load_balancer_support(driver: Compute) -> SupportsLoadBalancers:
    """Return a driver of load balancers."""
    if not isinstance(driver, SupportsLoadBalancers):
        raise _unsupported("The driver of this region has no load balancers")
    return driver


def _unsupported(message: str) -> DriverError:
    return DriverError(message, retryable=False)
