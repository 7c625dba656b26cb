"""Volume types: what kinds of block storage there are, what they cost and how fast they are."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

NonNegative = Annotated[int, Meta(ge=0)]


class VolumeLimits(Struct, frozen=True, kw_only=True):
    """How fast a volume may be: operations and megabytes per second."""

    iops_base: int
    iops_burst: int
    mbps_base: int
    mbps_burst: int


class VolumeType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One type; sizes in GiB; speed grows with size up to a maximum (0 per GiB: always the maximum)."""

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

    def limits(self, size: int) -> VolumeLimits:
        """How fast a volume of `size` GiB may be."""
        iops = _grown(size, self.iops_per_gib, self.max_iops)
        mbps = _grown(size, self.mbps_per_gib, self.max_mbps)
        return VolumeLimits(iops_base=iops, iops_burst=iops, mbps_base=mbps, mbps_burst=mbps)


def _grown(size: int, per_gib: Decimal, maximum: int) -> int:
    return min(maximum, max(1, int(size * per_gib))) if per_gib else maximum
