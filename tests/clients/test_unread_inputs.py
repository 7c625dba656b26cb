"""What recorded clients send and Pileus does not read: `docs/clients.md` has a row for each."""

import asyncio
import re
from pathlib import Path
from types import ModuleType

import pytest

from pileus.api.request_log.exchange_views import find_operation, find_unread_inputs
from pileus.api.request_log.exchanges import Exchange
from pileus.app import run_cloud
from tests.app_settings import checked_settings
from tests.clients.test_traces import Send, open_sender_to
from tests.clients.traces import LEFT_OUT, NAMES, TRACES, load_player, load_trace

pytestmark = pytest.mark.skipif(not NAMES, reason=f"The recorded traces are not in {TRACES}.")
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
ROW = re.compile(r"^\| ([\w. ]+) \| `(\w+)` \| `([\w.]+)` \|", re.MULTILINE)
CLIENTS = {
    "ansible": "Ansible",
    "go-cli-0": "Go CLI",
    "go-sdk": "Go SDK",
    "terraform-0": "Terraform 0.x",
    "terraform-0-acceptance": "Terraform 0.x",
    "terraform-2": "Terraform 2.x",
    "terraform-2-acceptance": "Terraform 2.x",
}
"""The directories of the traces."""
Row = tuple[str, str | None, str]


def play(player: ModuleType, name: str, send: Send) -> None:
    """Play a trace, as far as its answers are the recorded ones."""
    try:
        player.play(load_trace(player, name), send)
    except player.Differs:
        assert name in LEFT_OUT


def rows_of(client: str, exchange: Exchange) -> set[Row]:
    """Return what an exchange shows that was sent and not read."""
    fields, parameters = find_unread_inputs(exchange)
    return {(client, find_operation(exchange), unread.name) for unread in (*fields, *parameters)}


async def test_the_guide_lists_what_clients_send_and_nothing_reads(tmp_path: Path) -> None:
    player, unread, position = load_player(), set(), 0
    settings = checked_settings(data=tmp_path, request_log_size=100_000, request_log_memory=256)
    async with run_cloud(settings) as running, open_sender_to(running) as send:
        assert running.app_state.request_log is not None
        log = running.app_state.request_log.log
        for name in NAMES:
            await asyncio.to_thread(play, player, name, send)
            exchanges, dropped = log.list_after(position)
            assert dropped == 0
            position, client = log.last_number, CLIENTS[name.partition("/")[0]]
            unread |= set().union(*(rows_of(client, exchange) for exchange in exchanges))

    assert unread == set(ROW.findall(GUIDE.read_text("utf-8")))
