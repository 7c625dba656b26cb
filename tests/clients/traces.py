"""Recorded requests of real clients, and the program that plays them.

They are not part of the project. Without them beside the checkout, their tests are skipped.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
NAMES = sorted(str(path.relative_to(TRACES)) for path in TRACES.glob("*/*.jsonl"))
Step = dict[str, Any]

LEFT_OUT = {
    "terraform-0/instance-floating-ip-reserved-ip-6.jsonl": (
        "It reads a network while a subnet is created in it: the live API was recorded to lock the network meanwhile."
    ),
    "terraform-0/instance-reserved-ip-volume-1.jsonl": (
        "It disables the port security of a port with allowed address pairs, which OpenStack refuses with 409."
    ),
}
"""Traces with a step that Pileus answers differently, and the reason. A test fails if one of them plays."""
DIFFERS_AT_TIMES = {"terraform-0/instance-floating-ip-reserved-ip-6.jsonl"}
"""Those of them that play if a task ends before the next request is read."""


def load_player() -> ModuleType:
    """Load the program that comes with the traces."""
    spec = importlib.util.spec_from_file_location("trace_player", TRACES / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    player = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(player)
    return player


def load_trace(player: ModuleType, name: str) -> list[Step]:
    """Load a trace, without what contradicts recorded answers of the live API."""
    steps: list[Step] = player.load(TRACES / name)
    for step in steps:
        shape = step.get("shape", {})
        if "/floatingips/" in step["path"]:
            _forget_metadata_detailed(shape)
        if "security-group" in name and step.get("wait"):
            # The live API lists a changed group in `created_resources` of the task.
            shape.pop("created_resources", None)
    return steps


def _forget_metadata_detailed(shape: dict[str, Any]) -> None:
    """The live API sends `metadata` of floating IPs as a list, without `metadata_detailed` beside it."""
    shape.pop("metadata_detailed", None)
    for kinds in shape.values():
        if isinstance(kinds, list):
            kinds[1].pop("metadata_detailed", None)
