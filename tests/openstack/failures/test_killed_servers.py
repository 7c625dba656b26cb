"""A server of Pileus that is killed after each change that a creation makes in OpenStack."""

import threading
import time

import pytest
from gcore import APIConnectionError, Gcore, InternalServerError

from tests.openstack.engine import Engine
from tests.openstack.failures.orders import (
    ENDED,
    ONE_OF_EACH,
    TASK_SECONDS,
    Stage,
    begin_creation,
    count_parts,
    delete_instance,
    finish_creation,
)
from tests.openstack.failures.proxies import Proxy
from tests.openstack.installations import Installation

CHANGES = ("POST /21415/v3", "POST /21413/v2.0/ports", "POST /21414/v2.1/servers", "POST /21413/v2.0/floatingips")
"""The least that a creation changes."""


class Killer:
    """Kills the server after each change that it makes for the first time, before it gets the answer."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self.killed_after: list[str] = []
        self.has_killed = threading.Event()

    def kill_after(self, key: str) -> None:
        """Kill the server, unless it was killed after this change before."""
        with self._lock:
            if key in self.killed_after or self.has_killed.is_set():
                return
            self.killed_after.append(key)
            server, self._installation.server = self._installation.server, None
            assert server is not None
            server.kill()
            self.has_killed.set()

    def restart_until_end(self, client: Gcore, task_id: str) -> None:
        """Start the server again after each kill, until a task has ended."""
        deadline = time.monotonic() + TASK_SECONDS
        while time.monotonic() < deadline:
            if self.has_killed.wait(0.5):
                self._installation.start()
                self.has_killed.clear()
                continue
            try:
                if client.cloud.tasks.get(task_id=task_id).state in ENDED and not self.has_killed.is_set():
                    return
            except (APIConnectionError, InternalServerError):
                continue
        raise AssertionError(f"the task has not ended; killed after {self.killed_after}")


@pytest.mark.usefixtures("remaining")
def test_a_creation_goes_on_when_the_server_is_killed_after_each_of_its_changes(
    client: Gcore, engine: Engine, installation: Installation, proxy: Proxy, stage: Stage
) -> None:
    killer = Killer(installation)
    task_id = begin_creation(client, stage, is_public=True)
    proxy.after_change = killer.kill_after

    killer.restart_until_end(client, task_id)
    proxy.after_change = None
    instance_id = finish_creation(client, task_id)

    for change in CHANGES:
        assert any(key.startswith(change) for key in killer.killed_after), change
    assert count_parts(client, engine, instance_id) == ONE_OF_EACH
    delete_instance(client, instance_id)
