"""The settings of the simulated driver."""

from typing import Annotated, Literal

from msgspec import Struct

from pileus.setting_fields import MACHINES, setting


class SimulatedSettings(Struct, frozen=True, kw_only=True):
    """Settings of the simulated driver."""

    time: Annotated[
        Literal["instant", "realistic"],
        setting(MACHINES, "How long simulated machines take to change: no time, or about as long as real ones."),
    ] = "instant"
