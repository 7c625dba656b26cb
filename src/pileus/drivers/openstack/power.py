"""Which action brings a server from a status to another one."""

from typing import Any

Action = dict[str, Any]
START: Action = {"os-start": None}
STOP: Action = {"os-stop": None}
SUSPEND: Action = {"suspend": None}
HARD_REBOOT: Action = {"reboot": {"type": "HARD"}}
SOFT_REBOOT: Action = {"reboot": {"type": "SOFT"}}
CONFIRM_RESIZE: Action = {"confirmResize": None}

# OpenStack stops and suspends only machines that run, so other ones run first.
_TO_RUNNING: dict[str, Action] = {
    "SUSPENDED": {"resume": None},
    "PAUSED": {"unpause": None},
    "SHELVED": {"unshelve": None},
    "SHELVED_OFFLOADED": {"unshelve": None},
    "RESCUE": {"unrescue": None},
    "VERIFY_RESIZE": CONFIRM_RESIZE,
}
ACTIONS: dict[str, dict[str, Action]] = {
    "ACTIVE": _TO_RUNNING | {"SHUTOFF": START, "ERROR": HARD_REBOOT},
    "SHUTOFF": _TO_RUNNING | {"ACTIVE": STOP, "ERROR": STOP},
    "SUSPENDED": _TO_RUNNING | {"SHUTOFF": START, "ACTIVE": SUSPEND, "ERROR": HARD_REBOOT},
}
"""By the intended status and the present one. Other present statuses change by themselves."""
