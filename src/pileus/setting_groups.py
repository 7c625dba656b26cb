"""Groups of settings, which `Settings` inherits."""

from typing import Annotated, Literal

from msgspec import Struct

from pileus.setting_fields import ACCESS, RETENTION, setting


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How many days the server keeps what only accumulates."""

    audit_log_days: Annotated[
        int,
        setting(
            RETENTION,
            "Days for which the audit log, ended DDoS alarms, and revoked and expired API keys are kept; 0 keeps them "
            "forever. What a subscriber has still to get is kept longer.",
            ge=0,
            le=36500,
        ),
    ] = 90
    task_days: Annotated[
        int,
        setting(
            RETENTION, "Days for which tasks are kept after they have ended; 0 keeps them forever.", ge=0, le=36500
        ),
    ] = 30
    usage_days: Annotated[
        int,
        setting(
            RETENTION,
            "Days for which usage and deleted projects are kept, at least 62; 0 keeps them forever. Reports contain no "
            "usage from before.",
            ge=0,
            le=36500,
        ),
    ] = 400


class ControlSettings(RetentionSettings, frozen=True, kw_only=True):
    """Whether and how a simulated cloud can be controlled while it runs."""

    simulation_control: Annotated[
        Literal["auto", "on", "off"],
        setting(
            ACCESS,
            "Whether operators may control a simulated cloud while it runs: reset it, replace its state, inject faults "
            "of HTTP, read its requests, set its clock. auto is on if the server listens on loopback.",
        ),
    ] = "auto"
