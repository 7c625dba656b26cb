"""Volume types: kinds of block storage, with their prices and performance limits."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

NonNegative = Annotated[int, Meta(ge=0)]


class VolumePerformanceLimits(Struct, frozen=True, kw_only=True):
    """Performance limits of a volume: operations and megabytes per second."""

    iops_base: int
    iops_burst: int
    mbps_base: int
    mbps_burst: int


class VolumeType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A volume type; sizes in GiB. Limits grow with the size up to a maximum (0 per GiB: always the maximum)."""

    name: str
    price_per_gib_month: Decimal
    min_size: Annotated[int, Meta(ge=1)] = 1
    max_size: Annotated[int, Meta(ge=1)] = 102400
    iops_per_gib: Decimal = Decimal(0)
    max_iops: NonNegative
    mbps_per_gib: Decimal = Decimal(0)
    max_mbps: NonNegative
    snapshots: bool = False
    resizable: bool = True

    def performance_limits(self, size: int) -> VolumePerformanceLimits:
        """Return the performance limits of a volume of `size` GiB."""
        iops = _limit_for_size(size, self.iops_per_gib, self.max_iops)
        mbps = _limit_for_size(size, self.mbps_per_gib, self.max_mbps)
        return VolumePerformanceLimits(iops_base=iops, iops_burst=iops, mbps_base=mbps, mbps_burst=mbps)


def _limit_for_size(size: int, per_gib: Decimal, maximum: int) -> int:
    return min(maximum, max(1, int(size * per_gib))) if per_gib else maximum
