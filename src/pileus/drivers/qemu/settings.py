"""The settings of the QEMU driver."""

from typing import Annotated, Literal

from msgspec import Struct

from pileus.setting_fields import REAL_MACHINES, setting

MIN_USER_ID, MAX_USER_ID, RESERVED_IDS = 1000, 2**32 - 3, (65534, 65535)
"""Bounds of user ids, and ids between them that have a meaning: that of `nobody`, and -1 in 16 bits."""


class QemuSettings(Struct, frozen=True, kw_only=True):
    """Settings of the QEMU driver. A ratio is the over-commitment of cores or of memory."""

    accelerator: Annotated[
        Literal["auto", "kvm", "tcg"],
        setting(REAL_MACHINES, "How processors are virtualised; auto is KVM if a test machine runs with it."),
    ] = "auto"
    user: Annotated[
        str,
        setting(
            REAL_MACHINES,
            "The user that the fabric runs as if the server is root, and QEMU where tenants have no own users.",
            "the name of a user",
            min_length=1,
        ),
    ] = "nobody"
    user_ids: Annotated[
        str,
        setting(
            REAL_MACHINES,
            "The user ids that the machines of tenants run as if the server is root, one for each tenant. Nothing else "
            "on the host may use them, no other data directory either. Empty: all machines run as `qemu_user`.",
            "two numbers such as 1879048192-1879113727, both from 1000 to 4294967293, or nothing",
            pattern=r"^(\d{4,10}-\d{4,10})?$",
        ),
    ] = "1879048192-1879113727"
    cpu_ratio: Annotated[
        float,
        setting(REAL_MACHINES, "The CPU overcommit ratio: vCPUs of all machines per core of the host.", gt=0, le=1024),
    ] = 8
    ram_ratio: Annotated[
        float,
        setting(
            REAL_MACHINES, "The memory overcommit ratio: memory of all machines per memory of the host.", gt=0, le=64
        ),
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
    def user_id_bounds(self) -> tuple[int, int] | None:
        """The first and the last user id of tenants, or None. Raises OSError if they are no range."""
        if not self.user_ids:
            return None
        first, last = (int(number) for number in self.user_ids.split("-"))
        if not MIN_USER_ID <= first < last <= MAX_USER_ID or any(first <= number <= last for number in RESERVED_IDS):
            raise OSError(
                f"--qemu-user-ids: {self.user_ids} is no range from {MIN_USER_ID} to {MAX_USER_ID} without"
                f" {' and '.join(map(str, RESERVED_IDS))}"
            )
        return first, last

    @property
    def bridges_by_network(self) -> dict[str, str]:
        """The host's bridges, by the name of the network."""
        return dict(pair.split("=", 1) for pair in self.bridges.split(",") if pair)
