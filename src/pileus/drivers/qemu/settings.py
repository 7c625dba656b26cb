"""The settings of the QEMU driver."""

from typing import Annotated, Literal

from msgspec import Struct

from pileus.setting_fields import REAL_MACHINES, setting


class QemuSettings(Struct, frozen=True, kw_only=True):
    """Settings of the QEMU driver. A ratio is the over-commitment of cores or of memory."""

    accelerator: Annotated[
        Literal["auto", "kvm", "tcg"],
        setting(REAL_MACHINES, "How processors are virtualised; auto is KVM if a test machine runs with it."),
    ] = "auto"
    user: Annotated[
        str,
        setting(REAL_MACHINES, "The user that QEMU runs as if the server is root.", "the name of a user", min_length=1),
    ] = "nobody"
    cpu_ratio: Annotated[
        float, setting(REAL_MACHINES, "How often each core of the host is promised to machines.", gt=0, le=1024)
    ] = 8
    ram_ratio: Annotated[
        float, setting(REAL_MACHINES, "How often the host's memory is promised to machines.", gt=0, le=64)
    ] = 1
    resume: Annotated[
        bool, setting(REAL_MACHINES, "Whether machines that ran when the host went down start again with the server.")
    ] = True
    metrics_days: Annotated[
        int, setting(REAL_MACHINES, "Days for which metrics of machines are kept.", ge=1, le=3650)
    ] = 7
    bridges: Annotated[
        str,
        setting(
            REAL_MACHINES,
            "Which external networks of the catalogue are connected to which bridges of the host; needs root, or "
            "QEMU's bridge helper.",
            "pairs such as pub_net=br0,lab=br1",
            pattern=r"^([^=,\s]+=[A-Za-z0-9_.-]{1,15}(,[^=,\s]+=[A-Za-z0-9_.-]{1,15})*)?$",
        ),
    ] = ""

    @property
    def bridges_by_network(self) -> dict[str, str]:
        """The host's bridges, by the name of the network."""
        return dict(pair.split("=", 1) for pair in self.bridges.split(",") if pair)
